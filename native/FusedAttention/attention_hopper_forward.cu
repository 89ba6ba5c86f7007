// output = softmax(scale·q·kᵀ)·V by online softmax on Hopper (sm_90a): the copy engine fills rings
// of key and value tiles, two warpgroups multiply. log_sum_exp = log Σ e^score; 0 and −∞ for a row
// that sees no key. For f16 and bf16 with D and Dv up to 128, an interval of keys a query (causal,
// window, lengths), grouped heads, strides and packed sequences; the rest is
// attention_tensor_forward.cu's.
//
// Shapes: query [B, Hq, Sq, D], key [B, Hkv, Skv, D], value [B, Hkv, Skv, Dv], output [B, Hq, Sq,
//   Dv], with strides or packed; log_sum_exp [B, Hq, Sq] or [Hq, total].
// Work: as many blocks as multiprocessors stay and go over tiles of 128 query rows of a head, last
//   rows first, the longest where causal. Warpgroup 0 gives its registers away, and one of
//   its threads asks for tiles: 128 queries, then 128 keys and 128 values at a time. Warpgroups 1
//   and 2 own 64 rows each. One goes, for tile j,
//     scores = Q·Kⱼ asked for | sums += P·Vⱼ₋₁ asked for | scores there: maximum, exponentials |
//     sums there: shrunk to the new maximum | P = scores in 16 bits, as registers of the next
//   and the two take turns in asking, so that one's exponentials run beside the other's products.
// Registers: 64 scores, 32 weights, Width / 2 sums a thread of 240; the asking warpgroup 24.
// Shared: queries 128, and keys and values 128 rows a stage, 2·Width bytes a row; 2 stages at width
//   128, 4 at 64; barriers.
// Bytes: queries and output once; keys and values once for each 128 query rows, from L2 where heads
//   of a group run together. Arithmetic: 2·(D + Dv) operations a pair on tensor cores.
// Numerics: products of the inputs exact, sums in float; weights are rounded to the element type
//   before they multiply the values, their total is not. What is not finite multiplies weights of 0
//   too: a row that is not finite is computed again, a warp a row, from its log-sum-exp.
// Preconditions: terms.cuh; tensor maps [D, S, H, B] with boxes of 64×64 (queries) and 64×128
//   elements in the 128-byte swizzle; output rows of whole 16 bytes; no mask, bias, cap, dropout,
//   sink or page; scale > 0; 384 threads.
// Source: Shah et al. 2024 (FlashAttention-3), section 3.
#include "../include/hopper.cuh"
#include "fragments.cuh"

struct HopperAttention {
  TensorMap query, key, value;
  AttentionArgument p;
};
static_assert(emulated || sizeof(HopperAttention) == 1536, "the launch counts on it");

static constexpr u32 hopper_rows = 128, hopper_keys = 128;
template <u32 Width> static constexpr u32 hopper_stages = Width == 64 ? 4 : 2;

// Bytes of 64 columns of a tile, and of a tile.
static constexpr u32 query_column_bytes = 64 * 128, key_column_bytes = hopper_keys * 128;
template <u32 Width> static constexpr u32 query_tile_bytes = Width / 64 * query_column_bytes;
template <u32 Width> static constexpr u32 key_tile_bytes = Width / 64 * key_column_bytes;

// Addresses in shared memory, the first on 1024 bytes.
template <u32 Width> struct Rings {
  static constexpr u32 stages = hopper_stages<Width>;
  u32 start;

  __device__ u32 queries(u32 group) const { return start + group * query_tile_bytes<Width>; }
  __device__ u32 keys(u32 stage) const {
    return start + 2 * query_tile_bytes<Width> + stage * key_tile_bytes<Width>;
  }
  __device__ u32 values(u32 stage) const { return keys(stages + stage); }
  __device__ u32 barrier(u32 i) const { return keys(2 * stages) + 8 * i; }
  __device__ u32 queries_full() const { return barrier(0); }
  __device__ u32 queries_empty() const { return barrier(1); }
  __device__ u32 keys_full(u32 stage) const { return barrier(2 + stage); }
  __device__ u32 keys_empty(u32 stage) const { return barrier(2 + stages + stage); }
  __device__ u32 values_full(u32 stage) const { return barrier(2 + 2 * stages + stage); }
  __device__ u32 values_empty(u32 stage) const { return barrier(2 + 3 * stages + stage); }
};

// 128 rows of a head and the tiles of keys that they see.
struct HopperTask {
  Sequence s;
  i32 head, first, last; // rows, the last included
  i32 begin, end;        // tiles of keys
};

__device__ __forceinline__ bool find_task(
    const AttentionArgument &p, u32 number, HopperTask &task) {
  u32 heads = u32(p.query_heads), each = heads * u32(p.batch);
  u32 place = number % each;
  task.s = sequence_of(p, i32(place / heads));
  task.head = i32(place % heads);
  task.first = (p.tiles - 1 - i32(number / each)) * i32(hopper_rows);
  if (task.first >= task.s.queries) return false;
  task.last = least(task.first + i32(hopper_rows), task.s.queries) - 1;
  i32 low, high, unused;
  visible_keys(p, task.s, task.first, low, unused);
  visible_keys(p, task.s, task.last, unused, high);
  task.begin = low / i32(hopper_keys);
  task.end = low < high ? (high + i32(hopper_keys) - 1) / i32(hopper_keys) : task.begin;
  return true;
}

__device__ __forceinline__ u32 tasks_of(const AttentionArgument &p) {
  return u32(p.tiles) * u32(p.query_heads) * u32(p.batch);
}

// One thread asks for all tiles, as stages come free.
template <u32 Width>
__device__ __forceinline__ void ask_for_tiles(
    const AttentionArgument &p, u64 query_map, u64 key_map, u64 value_map,
    const Rings<Width> &rings) {
  constexpr u32 stages = Rings<Width>::stages;
  u32 tiles = 0, turns = 0, count = tasks_of(p);
#pragma unroll 1
  for (u32 number = blockIdx.x; number < count; number += gridDim.x) {
    HopperTask task;
    if (!find_task(p, number, task) || task.begin == task.end) continue;
    i32 query_row = i32(task.s.query_row), key_row = i32(task.s.key_row);
    i32 query_outer = i32(task.s.query_outer), key_outer = i32(task.s.key_outer);
    i32 key_head = task.head / (p.query_heads / p.key_heads);
    barrier_wait(rings.queries_empty(), (turns & 1) ^ 1);
    turns++;
    barrier_arrive(rings.queries_full(), 2 * query_tile_bytes<Width>);
#pragma unroll
    for (u32 i = 0; i < 2 * Width / 64; i++)
      copy_box(rings.queries(0) + i * query_column_bytes, query_map, rings.queries_full(),
               i32(i % (Width / 64) * 64), query_row + task.first + i32(i / (Width / 64) * 64),
               task.head, query_outer);
#pragma unroll 1
    for (i32 at = task.begin; at <= task.end; at++) {
      if (at < task.end) {
        u32 stage = tiles % stages, full = rings.keys_full(stage);
        barrier_wait(rings.keys_empty(stage), (tiles / stages & 1) ^ 1);
        barrier_arrive(full, key_tile_bytes<Width>);
#pragma unroll
        for (u32 i = 0; i < Width / 64; i++)
          copy_box(rings.keys(stage) + i * key_column_bytes, key_map, full, i32(64 * i),
                   key_row + at * i32(hopper_keys), key_head, key_outer);
        tiles++;
      }
      if (at == task.begin) continue;
      // The values of the tile before: needed after this one's keys.
      u32 before = at < task.end ? tiles - 2 : tiles - 1;
      u32 stage = before % stages, full = rings.values_full(stage);
      barrier_wait(rings.values_empty(stage), (before / stages & 1) ^ 1);
      barrier_arrive(full, key_tile_bytes<Width>);
#pragma unroll
      for (u32 i = 0; i < Width / 64; i++)
        copy_box(rings.values(stage) + i * key_column_bytes, value_map, full, i32(64 * i),
                 key_row + (at - 1) * i32(hopper_keys), key_head, key_outer);
    }
  }
}

// What a thread keeps of its two rows.
template <u32 Width> struct RowState {
  float maxima[2], totals[2], sums[Width / 8][4];
  i32 low[2], high[2];     // keys that each sees
  i32 all_low, all_high;   // keys that all 64 rows of the warpgroup see
};

template <typename T, u32 Width>
__device__ __forceinline__ void ask_for_scores(
    float (&scores)[16][4], u32 queries, u32 keys) {
  multiply_warpgroup<T, false, false, false>(scores, tile_of_k(queries), tile_of_k(keys));
#pragma unroll
  for (u32 k = 1; k < Width / 16; k++)
    multiply_warpgroup<T, true, false, false>(
        scores, tile_after(tile_of_k(queries + k / 4 * query_column_bytes), k % 4 * 32),
        tile_after(tile_of_k(keys + k / 4 * key_column_bytes), k % 4 * 32));
  products_commit();
}

template <typename T, u32 Width>
__device__ __forceinline__ void ask_for_sums(
    float (&sums)[Width / 8][4], const u32 (&weights)[8][4], u32 values) {
#pragma unroll
  for (u32 k = 0; k < hopper_keys / 16; k++)
    multiply_warpgroup<T, true>(
        sums, weights[k], tile_after(tile_across_k(values, key_column_bytes), k * 2048));
  products_commit();
}

// Scores of keys from `first` on become weights under the new maxima; by what `shrinks` tells the
// sums so far are too large.
template <u32 Width>
__device__ __forceinline__ void weigh_scores(
    float (&scores)[16][4], i32 first, float factor, RowState<Width> &state, float (&shrinks)[2]) {
  if (first < state.all_low || first + i32(hopper_keys) > state.all_high) {
    i32 column = first + i32(fragment_column());
#pragma unroll
    for (u32 e = 0; e < 64; e++) {
      i32 key = column + i32(e / 4 * 8 + e % 2);
      bool seen = key >= state.low[e / 2 % 2] && key < state.high[e / 2 % 2];
      scores[e / 4][e % 4] = seen ? scores[e / 4][e % 4] : -infinity;
    }
  }
#pragma unroll
  for (u32 half = 0; half < 2; half++) {
    float top = state.maxima[half];
#pragma unroll
    for (u32 i = 0; i < 32; i++) top = larger(top, scores[i / 2][2 * half + i % 2]);
    top = larger(top, __shfl_xor_sync(all_lanes, top, 1));
    top = larger(top, __shfl_xor_sync(all_lanes, top, 2));
    float base = top == -infinity ? 0 : top * factor;
    shrinks[half] = exp2_fast(multiply_add(state.maxima[half], factor, -base));
    state.maxima[half] = top;
    float total = 0;
#pragma unroll
    for (u32 i = 0; i < 32; i++) {
      float &score = scores[i / 2][2 * half + i % 2];
      score = exp2_fast(multiply_add(score, factor, -base));
      total += score;
    }
    state.totals[half] = multiply_add(state.totals[half], shrinks[half], total);
  }
}

template <typename T>
__device__ __forceinline__ void round_weights(
    u32 (&weights)[8][4], const float (&scores)[16][4]) {
#pragma unroll
  for (u32 k = 0; k < 8; k++) as_a<T>(weights[k], scores[2 * k], scores[2 * k + 1]);
}

#include "hopper_rows.cuh"

// The place of a consumer in the rings; the same for both warpgroups.
struct RingPlace {
  u32 tiles, turns;
};

// One warpgroup's 64 rows of a task.
template <typename T, u32 Width>
__device__ __forceinline__ void attend_rows(
    const HopperTask &task, const Rings<Width> &rings, u32 group, float factor, RingPlace &place,
    RowState<Width> &state) {
  constexpr u32 stages = Rings<Width>::stages;
  bool signals = threadIdx.x % 32 == 0;
  u32 queries = rings.queries(group);
  i32 count = task.end - task.begin, first = task.begin * i32(hopper_keys);
  float shrinks[2];
  u32 weights[8][4];
  barrier_wait(rings.queries_full(), place.turns & 1);
  barrier_wait(rings.keys_full(place.tiles % stages), place.tiles / stages & 1);
  {
    float scores[16][4];
    products_fence();
    ask_for_scores<T, Width>(scores, queries, rings.keys(place.tiles % stages));
    products_wait<0>();
    if (signals) barrier_arrive(rings.keys_empty(place.tiles % stages));
    if (count == 1 && signals) barrier_arrive(rings.queries_empty());
    weigh_scores<Width>(scores, first, factor, state, shrinks);
    round_weights<T>(weights, scores);
  }
#pragma unroll 1
  for (i32 i = 1; i < count; i++) {
    u32 before = place.tiles % stages, parity = place.tiles / stages & 1;
    place.tiles++;
    u32 stage = place.tiles % stages;
    barrier_wait(rings.keys_full(stage), place.tiles / stages & 1);
    named_barrier_wait(1 + group, 256);
    float scores[16][4];
    products_fence();
    ask_for_scores<T, Width>(scores, queries, rings.keys(stage));
    barrier_wait(rings.values_full(before), parity);
    ask_for_sums<T, Width>(state.sums, weights, rings.values(before));
    named_barrier_arrive(2 - group, 256);
    products_wait<1>();
    if (signals) barrier_arrive(rings.keys_empty(stage));
    if (i + 1 == count && signals) barrier_arrive(rings.queries_empty());
    weigh_scores<Width>(scores, first + i * i32(hopper_keys), factor, state, shrinks);
    products_wait<0>();
    if (signals) barrier_arrive(rings.values_empty(before));
#pragma unroll
    for (u32 e = 0; e < Width / 2; e++) state.sums[e / 4][e % 4] *= shrinks[e / 2 % 2];
    round_weights<T>(weights, scores);
  }
  u32 last = place.tiles % stages;
  barrier_wait(rings.values_full(last), place.tiles / stages & 1);
  products_fence();
  ask_for_sums<T, Width>(state.sums, weights, rings.values(last));
  products_wait<0>();
  if (signals) barrier_arrive(rings.values_empty(last));
  place.tiles++;
  place.turns++;
}

template <typename T, u32 Width>
__device__ __forceinline__ void attend_tasks(
    const AttentionArgument &p, const Rings<Width> &rings) {
  u32 group = threadIdx.x / 128 - 1, count = tasks_of(p);
  float factor = p.scale * log2_e;
  RingPlace place = {};
  // Warpgroup 1 has the first turn.
  if (group == 1) named_barrier_arrive(1, 256);
#pragma unroll 1
  for (u32 number = blockIdx.x; number < count; number += gridDim.x) {
    HopperTask task;
    if (!find_task(p, number, task)) continue;
    RowState<Width> state;
    i32 row = task.first + i32(64 * group), unused;
    visible_keys(p, task.s, least(row + 63, task.last), state.all_low, unused);
    visible_keys(p, task.s, least(row, task.last), unused, state.all_high);
    i32 own = row + i32(threadIdx.x % 128 / 32 * 16 + fragment_row());
#pragma unroll
    for (u32 half = 0; half < 2; half++) {
      visible_keys(p, task.s, least(own + i32(8 * half), task.last), state.low[half],
                   state.high[half]);
      state.maxima[half] = -infinity;
      state.totals[half] = 0;
    }
#pragma unroll
    for (u32 e = 0; e < Width / 2; e++) state.sums[e / 4][e % 4] = 0;
    if (task.begin < task.end) attend_rows<T, Width>(task, rings, group, factor, place, state);
    finish_rows<T, Width>(p, task, own, factor, state);
  }
}

template <typename T, u32 Width>
__device__ __forceinline__ void attention_hopper_forward(
    const HopperAttention &a, u64 argument, u8 *shared) {
  if constexpr (has_hopper) {
    constexpr u32 stages = hopper_stages<Width>;
    Rings<Width> rings = {(window_address(shared) + 1023) / 1024 * 1024};
    if (threadIdx.x == 0) {
      barrier_initialise(rings.queries_full(), 1);
      barrier_initialise(rings.queries_empty(), 8);
#pragma unroll
      for (u32 i = 0; i < stages; i++) {
        barrier_initialise(rings.keys_full(i), 1);
        barrier_initialise(rings.keys_empty(i), 8); // warps
        barrier_initialise(rings.values_full(i), 1);
        barrier_initialise(rings.values_empty(i), 8);
      }
      barriers_are_initialised();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
      registers_give<24>();
      if (threadIdx.x == 0)
        ask_for_tiles<Width>(a.p, argument, argument + sizeof(TensorMap),
                             argument + 2 * sizeof(TensorMap), rings);
    } else {
      registers_take<240>();
      attend_tasks<T, Width>(a.p, rings);
    }
  }
}

extern "C" __global__ void __launch_bounds__(384, 1)
attention_hopper_forward_f16_width_64(ARGUMENT(HopperAttention, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(attention_hopper_forward_f16_width_64, a);
  attention_hopper_forward<f16, 64>(a, argument, shared);
}
extern "C" __global__ void __launch_bounds__(384, 1)
attention_hopper_forward_f16_width_128(ARGUMENT(HopperAttention, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(attention_hopper_forward_f16_width_128, a);
  attention_hopper_forward<f16, 128>(a, argument, shared);
}
extern "C" __global__ void __launch_bounds__(384, 1)
attention_hopper_forward_bf16_width_64(ARGUMENT(HopperAttention, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(attention_hopper_forward_bf16_width_64, a);
  attention_hopper_forward<bf16, 64>(a, argument, shared);
}
extern "C" __global__ void __launch_bounds__(384, 1)
attention_hopper_forward_bf16_width_128(ARGUMENT(HopperAttention, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(attention_hopper_forward_bf16_width_128, a);
  attention_hopper_forward<bf16, 128>(a, argument, shared);
}
