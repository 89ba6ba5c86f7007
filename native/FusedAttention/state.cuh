// What a block of attention knows of its query rows and of the keys at hand: where they lie, and
// which of them see each other.
#pragma once

#include "terms.cuh"

static constexpr u32 attention_threads = 128;

// The same number, which the compiler takes for another at every call: what is computed from it in
// a loop stays there. Addresses that differ by constants would else occupy a register each.
__device__ __forceinline__ u32 opaque(u32 value) {
#if !defined(TRANSFORMER_EMULATION)
  asm volatile("" : "+r"(value));
#endif
  return value;
}

// At the start of shared memory: `Rows` query rows and `Slots` tiles of 64 keys.
template <u32 Rows, u32 Slots> struct State {
  static constexpr u32 rows = Rows;
  i64 query[Rows], output[Rows], sum[Rows];            // element offsets, index of the log-sum-exp
  i64 key[64 * Slots], value[64 * Slots];              // element offsets; −1: there is none, zeros
  i32 index[Rows], head[Rows], first[Rows], end[Rows]; // index −1: no such row
  float log_sum[Rows], delta[Rows];
  i32 thresholds[relative_thresholds];
  u64 dropout;
  i32 any_visible, not_finite;
};

template <typename State>
__device__ __forceinline__ void start_block(const AttentionArgument &p, State &state) {
  if (p.relative)
    for (u32 i = threadIdx.x; i < relative_thresholds; i += attention_threads)
      state.thresholds[i] = p.thresholds[i];
  if (threadIdx.x != 0) return;
  state.not_finite = 0;
  state.dropout = p.drop_probability > 0 ? dropout_key(p) : 0;
}

// Rows [first, first + count) of heads_per_unit heads' queries, head by head, from row `begin` of
// the block on; up to its row `end` there are no more.
template <typename State>
__device__ __forceinline__ void place_queries(
    const AttentionArgument &p, const Sequence &s, State &state, i32 unit, i32 first,
    u32 count, u32 begin = 0, u32 end = State::rows) {
  for (u32 r = begin + opaque(threadIdx.x); r < end; r += attention_threads) {
    i32 row = first + i32(r - begin);
    bool exists = r - begin < count && row < p.heads_per_unit * s.queries;
    i32 head = exists ? unit * p.heads_per_unit + row / s.queries : 0;
    i32 query = exists ? row % s.queries : -1;
    state.index[r] = query;
    state.head[r] = head;
    state.first[r] = state.end[r] = 0;
    state.query[r] = state.output[r] = -1;
    state.sum[r] = 0;
    state.log_sum[r] = state.delta[r] = 0;
    if (!exists) continue;
    visible_keys(p, s, query, state.first[r], state.end[r]);
    const Strides &q = p.query_strides, &o = p.output_strides;
    state.query[r] = s.query_outer * q.batch + head * q.head + (s.query_row + query) * q.row;
    state.output[r] = s.query_outer * o.batch + head * o.head + (s.query_row + query) * o.row;
    state.sum[r] = row_index(p, s, head, query);
    if (!p.output_gradient) continue;
    state.log_sum[r] = p.log_sum_exp[state.sum[r]];
    state.delta[r] = p.deltas[state.sum[r]];
  }
}

// The 64 keys from `first` on, those of [low, high) alone.
template <typename State>
__device__ __forceinline__ void place_keys(
    const AttentionArgument &p, const Sequence &s, State &state, i32 head, i32 first, i32 low,
    i32 high, u32 slot = 0) {
  static_assert(attention_threads == 128, "one row of keys or values a thread");
  u32 thread = opaque(threadIdx.x), r = thread % 64;
  i32 key = first + i32(r);
  bool exists = key >= low && key < high;
  const Strides &strides = thread < 64 ? p.key_strides : p.value_strides;
  i64 offset = exists ? key_place(p, s, strides, key) + head * strides.head : -1;
  (thread < 64 ? state.key : state.value)[64 * slot + r] = offset;
}

// The keys that rows see: all of them lie in [low, high), and every row sees [all_low, all_high).
struct KeyRange {
  i32 low, high, all_low, all_high;
};

// Of rows [begin, begin + count); whole warps call it.
template <typename State>
__device__ __forceinline__ KeyRange key_range(const State &state, u32 begin, u32 count) {
  KeyRange range = {0x7FFFFFFF, 0, 0, 0x7FFFFFFF};
  for (u32 r = begin + threadIdx.x % 32; r < begin + count; r += 32) {
    i32 first = state.first[r], end = state.end[r];
    range.low = least(range.low, first < end ? first : range.low);
    range.high = most(range.high, first < end ? end : 0);
    range.all_low = most(range.all_low, first);
    range.all_high = least(range.all_high, end);
  }
#pragma unroll
  for (i32 lanes = 16; lanes > 0; lanes /= 2) {
    range.low = least(range.low, __shfl_xor_sync(all_lanes, range.low, lanes));
    range.high = most(range.high, __shfl_xor_sync(all_lanes, range.high, lanes));
    range.all_low = most(range.all_low, __shfl_xor_sync(all_lanes, range.all_low, lanes));
    range.all_high = least(range.all_high, __shfl_xor_sync(all_lanes, range.all_high, lanes));
  }
  return range;
}

// False where the masks hide all keys [first, first + Keys) from all rows [begin, begin + rows).
// Every thread calls it.
template <u32 Keys = 64, typename State>
__device__ __forceinline__ bool tile_is_visible(
    const AttentionArgument &p, const Sequence &s, State &state, u32 rows, i32 first,
    u32 begin = 0) {
  if (!p.mask && !p.block_mask) return true;
  __syncthreads();
  if (threadIdx.x == 0) state.any_visible = 0;
  __syncthreads();
  bool found = false;
  for (u32 x = opaque(threadIdx.x); x < rows * (Keys / 4) && !found; x += attention_threads) {
    u32 r = begin + x / (Keys / 4);
    if (state.index[r] < 0) continue;
    ScoreRow row =
        score_row(p, s, state.head[r], state.index[r], state.first[r], state.end[r]);
    i32 key = first + i32(x % (Keys / 4)) * 4;
#pragma unroll 1
    for (i32 e = 0; e < 4; e++) found |= is_visible(p, row, key + e);
  }
  if (found) state.any_visible = 1;
  __syncthreads();
  return state.any_visible;
}
