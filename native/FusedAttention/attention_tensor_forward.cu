// output = dropout(softmax(scores))·V by online softmax on tensor cores, scores as in terms.cuh;
// log_sum_exp = log Σ e^score, the sink included; 0 and −∞ for a row that sees no key. For f16 and
// bf16 with D and Dv up to 256; the rest is attention_forward.cu's.
//
// Shapes: query [B, Hq, Sq, D], key [B, Hkv, Skv, D], value [B, Hkv, Skv, Dv], output [B, Hq, Sq,
//   Dv], with strides, packed or paged; log_sum_exp [B, Hq, Sq] or [Hq, total].
// Work: a block of 4 warps owns 64 query rows of a head (128 up to a width of 64), or of all heads
//   that read one key/value head where there are few queries; a warp 16 (32) of them. It goes over
//   the tiles of 64 keys that its rows may see, `splits` blocks sharing them. While a tile's scores
//   are multiplied its values are on their way, and the next keys while the values are. Weights go
//   from the product that made them to the one that uses them in registers. A tile that is hidden
//   from a warp's rows costs it nothing, one that they see whole no masking.
// Registers: 32 scores and Width / 2 results for each 16 rows of a warp, and its queries up to a
//   width of 128. Shared: state, queries, a tile of keys and one of values; with terms beyond a
//   scale also 16 KiB, which is the queries' place where these are in registers.
// Bytes: queries once; keys and values once for each 64 (128) query rows, from L2 where blocks
//   share them. Arithmetic: 2·(D + Dv) operations a pair on tensor cores.
// Numerics: products of the inputs exact, sums in float; weights are rounded to the element type
//   before they multiply the values, their total is not. What is not finite multiplies weights of 0
//   too, and makes NaN of them: where a block finds one among its results it begins again and goes
//   over the keys three times, for the finite values and for those above and below.
// Preconditions: terms.cuh.
// Source: Dao 2023 (FlashAttention-2), section 3.
#include "online_softmax.cuh"

template <u32 Width> static constexpr u32 tensor_state_bytes = Width == 64 ? 8832 : 5760;

// Eight results of a row, from column `start` on, to the output or this split's part of it.
__device__ __forceinline__ void finish_eight(
    const AttentionArgument &p, i64 output, i64 sum, i32 split, u32 start, const float *values,
    Careful careful) {
  u32 width = u32(p.value_dimension);
  bool parts = p.splits > 1;
  float *part = p.partial_outputs + (split * p.rows + sum) * width;
  if (careful < Careful::plus && !parts) {
    store_eight(
        p.output, output, start, width, p.element_type, p.aligned & aligned_output, values);
    return;
  }
#pragma unroll 1
  for (u32 e = start; e < width && e < start + 8; e++) {
    float result = values[e - start];
    if (careful >= Careful::plus) {
      if (!(result > 0)) continue; // not that many weights met one
      float before = parts ? part[e] : load_element(p.output, output + e, p.element_type);
      result = careful == Careful::plus ? infinity
               : before == infinity     ? not_a_number()
                                        : -infinity;
    }
    if (parts) part[e] = result;
    else store_element(p.output, output + e, p.element_type, result);
  }
}

// A row's log-sum-exp; returns what its results are to be multiplied with. `total` is the quad's.
__device__ __forceinline__ float finish_row(
    const AttentionArgument &p, i32 head, i32 index, i64 sum, i32 split, float base, float total) {
  float scale = 1;
  if (p.sinks && p.splits == 1 && base > -infinity) {
    float sink = load_element(p.sinks, head, p.sinks_type) * log2_e;
    float joint = larger(base, sink);
    scale = exp2_fast(base - joint);
    total = total * scale + exp2_fast(sink - joint);
    base = joint;
  }
  bool blind = base == -infinity;
  float log_sum = blind ? -infinity : (base + log2_fast(total)) * ln_2;
  if (index >= 0 && threadIdx.x % 4 == 0) {
    if (p.splits > 1) p.partial_sums[split * p.rows + sum] = log_sum;
    else if (p.log_sum_exp) p.log_sum_exp[sum] = log_sum;
  }
  if (p.drop_probability > 0) scale *= p.kept;
  return blind ? 0 : scale / total;
}

// Results over their totals, through shared memory so that whole rows are written. The block's
// tiles are free.
template <u32 Width, typename State>
__device__ __forceinline__ void finish_rows(
    const AttentionArgument &p, const State &state, i32 split, float factor,
    const Results<Width> &results, float *tile, Careful careful) {
  constexpr u32 tiles = row_tiles<Width>, count = 16 * tiles;
  u32 first = opaque(threadIdx.x) / 32 * count;
#pragma unroll
  for (u32 m = 0; m < tiles; m++) {
    float scales[2];
#pragma unroll
    for (u32 half = 0; half < 2; half++) {
      float total = results.totals[m][half], top = results.maxima[m][half];
      total += __shfl_xor_sync(all_lanes, total, 1);
      total += __shfl_xor_sync(all_lanes, total, 2);
      u32 row = first + 16 * m + 8 * half + fragment_row();
      float scale = finish_row(p, state.head[row], state.index[row], state.sum[row], split,
                               top == -infinity ? top : top * factor, total);
      scales[half] = careful >= Careful::plus ? 1 : scale;
    }
    put_results<Width>(tile, first + 16 * m, results.sums[m], scales);
  }
  __syncwarp();
#pragma unroll 1
  for (u32 at = threadIdx.x % 32; at < count * Width / 8; at += 32) {
    u32 row = first + at / (Width / 8), n = at % (Width / 8);
    if (state.index[row] < 0 || 8 * n >= u32(p.value_dimension)) continue;
    finish_eight(p, state.output[row], state.sum[row], split, 8 * n,
                    tile + result_place<Width>(row, n), careful);
  }
}

// What a block goes over; in shared memory, as it is seldom read.
struct BlockTask {
  Sequence sequence;
  i32 low, high, key_head; // of the keys that a row may see
};

template <u32 Width> struct TensorState : State<64 * row_tiles<Width>, 2> {
  BlockTask task;
};

// The next tile of 64 keys from `at` on that some row may see, or the end.
template <typename State>
__device__ __forceinline__ i32 next_tile(
    const AttentionArgument &p, State &state, i32 at, i32 end) {
  while (at < end && !tile_is_visible(p, state.task.sequence, state, State::rows, at * 64)) at++;
  return at;
}

template <typename State>
__device__ __forceinline__ void place_tile(
    const AttentionArgument &p, State &state, i32 tile, u32 slot) {
  const BlockTask &task = state.task;
  place_keys(p, task.sequence, state, task.key_head, tile * 64, task.low, task.high, slot);
}

// One pass over the keys; queries, keys, values and slots lie in shared memory.
template <u32 Width, typename State>
__device__ __forceinline__ void attend(
    const AttentionArgument &p, State &state, i32 begin, i32 end, const KeyRange &own, u8 *queries,
    u8 *slots, float factor, Careful careful, Results<Width> &results) {
  constexpr u32 tiles = row_tiles<Width>, tile_bytes = 64 * Width * 2;
  u8 *keys = queries + 64 * tiles * Width * 2, *values = keys + tile_bytes;
  u32 warp_row = threadIdx.x / 32 * 16 * tiles;
  bool shaped = shapes_scores(p), drops = p.drop_probability > 0;
  bool counted = careful >= Careful::plus;
  results.clear();
  u32 slot = 0;
  i32 at = next_tile(p, state, begin, end);
  if (at < end) place_tile(p, state, at, slot);
  __syncthreads();
  copy_rows<Width, State::rows>(
      queries, p.query, state.query, u32(p.head_dimension), p.aligned & aligned_query);
  if (at < end)
    copy_rows<Width, 64>(
        keys, p.key, state.key, u32(p.head_dimension), p.aligned & aligned_key);
  copy_async_commit();
  copy_async_wait<0>();
  __syncthreads();
  u32 kept_queries[tiles][Width / 16][4];
  if constexpr (keeps_queries<Width>) {
#pragma unroll
    for (u32 m = 0; m < tiles; m++)
#pragma unroll
      for (u32 k = 0; k < Width; k += 16)
        load_a<Width / 8>(kept_queries[m][k / 16], queries, warp_row + 16 * m, k);
  }

  while (at < end) {
    i32 first = at * 64, next = next_tile(p, state, at + 1, end);
    bool sees = first < own.high && first + 64 > own.low;
    if (next < end) place_tile(p, state, next, slot ^ 1);
    copy_async_wait<0>();
    __syncthreads(); // the keys are there, the last values read
    copy_rows<Width, 64>(values, p.value, state.value + 64 * slot, u32(p.value_dimension),
                            p.aligned & aligned_value);
    copy_async_commit();
    float scores[tiles][8][4];
    if (sees) {
      multiply_keys<Width>(p.element_type, queries, kept_queries, keys, scores);
#pragma unroll
      for (u32 m = 0; m < tiles; m++) {
        u32 row = warp_row + 16 * m + fragment_row();
        if (shaped) shape_fragment<8>(p, state.task.sequence, state, row, first, slots, scores[m]);
        else if (first < own.all_low || first + 64 > own.all_high)
          hide_fragment<8>(state, row, first, scores[m]);
        weigh<Width>(scores[m], factor, counted, results.maxima[m], results.totals[m],
                     results.sums[m]);
        if (drops || counted) {
          u32 kept = 0xFFFFFFFF;
          if (drops) kept = kept_weights<8>(p, state.task.sequence, state, row, first);
          choose_weights(scores[m], kept, counted);
        }
      }
    }
    copy_async_wait<0>();
    __syncthreads(); // the values are there, the keys read
    if (next < end)
      copy_rows<Width, 64>(keys, p.key, state.key + 64 * (slot ^ 1), u32(p.head_dimension),
                              p.aligned & aligned_key);
    copy_async_commit();
    if (careful != Careful::no) {
      rewrite_tile<Width, 64>(values, p.element_type, careful);
      __syncthreads();
    }
    if (sees) multiply_values<Width>(p.element_type, scores, values, results.sums);
    at = next;
    slot ^= 1;
  }
}

template <u32 Width>
__device__ __forceinline__ void attention_tensor_forward(const AttentionArgument &p, u8 *shared) {
  constexpr u32 rows = 64 * row_tiles<Width>;
  using BlockState = TensorState<Width>;
  static_assert(sizeof(BlockState) <= tensor_state_bytes<Width>, "the launch counts on it");
  BlockState &state = *reinterpret_cast<BlockState *>(shared);
  u8 *queries = shared + tensor_state_bytes<Width>;
  u8 *slots = keeps_queries<Width> ? queries : queries + (rows + 128) * Width * 2;
  u32 place = blockIdx.x;
  i32 first_row = (p.tiles - 1 - i32(place % u32(p.tiles))) * i32(rows);
  place /= u32(p.tiles);
  i32 split = i32(place % u32(p.splits));
  place /= u32(p.splits);
  i32 unit = i32(place % u32(p.units));
  Sequence s = sequence_of(p, i32(place / u32(p.units)));
  if (first_row >= p.heads_per_unit * s.queries) return;

  start_block(p, state);
  place_queries(p, s, state, unit, first_row, rows);
  __syncthreads();
  KeyRange range = key_range(state, 0, rows);
  KeyRange own = key_range(state, threadIdx.x / 32 * (rows / 4), rows / 4);
  if (threadIdx.x == 0)
    state.task = {s, range.low, range.high,
                  unit * p.heads_per_unit / (p.query_heads / p.key_heads)};
  __syncthreads();
  i32 tiles = (p.key_length + 63) / 64, each = (tiles + p.splits - 1) / p.splits;
  i32 begin = most(split * each, range.low / 64);
  i32 end = least((split + 1) * each, (range.high + 63) / 64);
  float factor = shapes_scores(p) ? log2_e : p.scale * log2_e;

  Results<Width> results;
  u32 pass = u32(Careful::no);
  while (true) {
    attend<Width>(p, state, begin, end, own, queries, slots, factor, Careful(pass), results);
    if (pass == u32(Careful::no) && !results.finite()) state.not_finite = 1;
    __syncthreads(); // the tiles have been read
    if (pass != u32(Careful::no) || !state.not_finite)
      finish_rows<Width>(p, state, split, factor, results,
                            reinterpret_cast<float *>(queries), Careful(pass));
    if (pass == u32(Careful::minus) || !state.not_finite) return;
    pass++;
    __syncthreads();
  }
}

// PTX for sm_75 multiplies f16 alone; its blocks have 64 KiB of shared memory.
extern "C" __global__ void __launch_bounds__(128)
attention_tensor_forward_width_64(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_tensor_forward<64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_tensor_forward_width_128(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_tensor_forward<128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_tensor_forward_width_256(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  if constexpr (has_bf16_tiles) attention_tensor_forward<256>(p, shared);
}
