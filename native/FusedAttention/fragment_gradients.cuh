// Weights and score gradients in fragments, computed anew from log-sum-exps as in gradients.cuh:
// P = e^(s − L), 0 where hidden; dP = M ⊙ dO·Vᵀ; dS = P ⊙ (dP − δ), with the cap's derivative but
// without the scale, which multiplies the sums that come of it.
//
// A fragment's rows are queries and its columns keys, or the other way round (`KeyRows`).
#pragma once

#include "fragments.cuh"

// A fragment's place: its thread's first row and column among the block's queries and the 64 keys
// from `key` on.
template <bool KeyRows> struct GradientPlace {
  u32 row, column;
  i32 key;

  // The block's query, and the key, of element (n, i) of the fragment.
  __device__ __forceinline__ u32 query_of(u32 n, u32 i) const {
    return KeyRows ? column + 8 * n + i % 2 : row + i / 2 * 8;
  }
  __device__ __forceinline__ i32 key_of(u32 n, u32 i) const {
    return key + i32(KeyRows ? row + i / 2 * 8 : column + 8 * n + i % 2);
  }
};

// Bit 4·n + i is set where dropout keeps the weight of element (n, i).
template <bool KeyRows, u32 Columns, typename State>
__device__ __forceinline__ u32 kept_gradients(
    const AttentionArgument &p, const State &state, const GradientPlace<KeyRows> &place) {
  u32 kept = 0;
#pragma unroll 1
  for (u32 e = 0; e < 4 * Columns; e++) {
    u32 r = place.query_of(e / 4, e % 4);
    i32 key = place.key_of(e / 4, e % 4);
    float factors[4];
    dropout_factors(p, state.dropout, state.task.sequence.batch, state.head[r], state.index[r],
                    key / 4 * 4, factors);
    float even = key % 4 < 2 ? factors[0] : factors[2], odd = key % 4 < 2 ? factors[1] : factors[3];
    kept |= u32((key % 2 ? odd : even) != 0) << e;
  }
  return kept;
}

// q·k and dO·V become P ⊙ M, without 1/(1 − p), and dS, where scores have further terms.
template <bool KeyRows, u32 Columns, typename State>
__device__ __forceinline__ void shape_gradients(
    const AttentionArgument &p, const State &state, const GradientPlace<KeyRows> &place, u32 kept,
    u8 *shared, float (&scores)[Columns][4], float (&gradients)[Columns][4]) {
  float *slots = thread_slots(shared), *seconds = slots + 4 * Columns * attention_threads;
  put_fragment<Columns>(slots, scores);
  put_fragment<Columns>(seconds, gradients);
#pragma unroll 1
  for (u32 e = 0; e < 4 * Columns; e++) {
    u32 r = place.query_of(e / 4, e % 4);
    ScoreRow row = score_row(
        p, state.task.sequence, state.head[r], state.index[r], state.first[r], state.end[r]);
    float &first = slots[e * attention_threads], &second = seconds[e * attention_threads];
    float capped = capped_score(p, first * p.scale);
    float score = masked_score(p, row, place.key_of(e / 4, e % 4), capped, state.thresholds);
    float weight = score == -infinity ? 0 : exponential(score - state.log_sum[r]);
    bool keeps = kept >> e & 1;
    float incoming = keeps ? second * p.kept : 0;
    float gradient = weight * (incoming - state.delta[r]);
    if (p.soft_cap > 0) {
      float tangent = capped / p.soft_cap;
      gradient *= 1 - tangent * tangent;
    }
    first = keeps ? weight : 0;
    second = weight == 0 ? 0 : gradient;
  }
  get_fragment<Columns>(slots, scores);
  get_fragment<Columns>(seconds, gradients);
}

// The same where scores are scaled products, visible in an interval of keys.
template <bool KeyRows, u32 Columns, typename State>
__device__ __forceinline__ void weigh_gradients(
    const AttentionArgument &p, const State &state, const GradientPlace<KeyRows> &place, u32 kept,
    bool partial, float (&scores)[Columns][4], float (&gradients)[Columns][4]) {
  float factor = p.scale * log2_e;
  if (partial)
#pragma unroll
    for (u32 e = 0; e < 4 * Columns; e++) {
      u32 r = place.query_of(e / 4, e % 4);
      i32 key = place.key_of(e / 4, e % 4);
      bool visible = key >= state.first[r] && key < state.end[r];
      scores[e / 4][e % 4] = visible ? scores[e / 4][e % 4] : -infinity;
    }
  if (p.drop_probability > 0)
#pragma unroll
    for (u32 e = 0; e < 4 * Columns; e++)
      gradients[e / 4][e % 4] = kept >> e & 1 ? gradients[e / 4][e % 4] * p.kept : 0;
#pragma unroll
  for (u32 e = 0; e < 4 * Columns; e++) {
    u32 r = place.query_of(e / 4, e % 4);
    float log_sum = state.log_sum[r], delta = state.delta[r];
    // Of a query that sees nothing it is −∞, as are all its scores.
    float base = log_sum == -infinity ? 0 : log_sum * log2_e;
    float weight = exp2_fast(multiply_add(scores[e / 4][e % 4], factor, -base));
    float gradient = weight * (gradients[e / 4][e % 4] - delta);
    scores[e / 4][e % 4] = weight;
    gradients[e / 4][e % 4] = weight == 0 ? 0 : gradient;
  }
  if (p.drop_probability > 0)
#pragma unroll
    for (u32 e = 0; e < 4 * Columns; e++)
      scores[e / 4][e % 4] = kept >> e & 1 ? scores[e / 4][e % 4] : 0;
}

// A product of 0 and what is not finite has made NaN of a result.
template <u32 Columns>
__device__ __forceinline__ bool are_finite(const float (&sums)[Columns][4]) {
  bool all = true;
#pragma unroll
  for (u32 e = 0; e < 4 * Columns; e++) all &= sums[e / 4][e % 4] - sums[e / 4][e % 4] == 0;
  return all;
}

// A warp's 16 rows of results, from `row` of the block on, times `scale` to a gradient, through
// 64 rows of floats in shared memory that nobody else uses.
template <u32 Width>
__device__ __forceinline__ void store_fragment(
    const float (&sums)[Width / 8][4], float scale, float *tile, u32 row, void *to,
    const i64 *offsets, u32 width, u32 type, bool aligned) {
  put_results<Width>(tile, row, sums, {scale, scale});
  __syncwarp();
#pragma unroll 1
  for (u32 at = threadIdx.x % 32; at < 16 * Width / 8; at += 32) {
    u32 r = row + at / (Width / 8), n = at % (Width / 8);
    if (offsets[r] < 0 || 8 * n >= width) continue;
    store_eight(
        to, offsets[r], 8 * n, width, type, aligned, tile + result_place<Width>(r, n));
  }
  __syncwarp();
}
