// Weights and score gradients of a tile, computed anew from log-sum-exps: P = e^(s − L) (0 where
// hidden), dP = M ⊙ dO·Vᵀ, dS = P ⊙ (dP − δ), δ = rowsum(dO ⊙ O), M dropout's 0 or 1/(1 − p).
#pragma once

#include "tiles.cuh"

// Shared memory of the kernels that use this: state, two tiles, operands.
static constexpr u32 gradient_buffer = 2 * operand_floats;

struct GradientTiles {
  float *weights, *gradients, *buffer, *rest;
};
__device__ __forceinline__ GradientTiles gradient_tiles(u8 *shared) {
  float *weights = reinterpret_cast<float *>(shared + state_bytes);
  float *gradients = weights + 64 * score_stride, *buffer = gradients + 64 * score_stride;
  return {weights, gradients, buffer, buffer + gradient_buffer};
}

// In: q·k and dO·V. Out: P ⊙ M and dS; with `ToProducts` the gradient of q·k: times the cap's
// derivative 1 − tanh² and the scale. Element (query, key) lies at query·query_step +
// key·key_step, one of which is 1.
template <bool ToProducts>
__device__ __forceinline__ void shape_gradients(
    const AttentionArgument &p, const Sequence &s, const BlockState &state,
    const GradientTiles &tiles, u32 query_step, u32 key_step, i32 first) {
  for (u32 at = opaque(threadIdx.x); at < 64 * 16; at += attention_threads) {
    // Neighbouring threads take neighbours in memory.
    u32 r = key_step == 1 ? at / 16 : at % 64;
    u32 column = (key_step == 1 ? at % 16 : at / 64) * 4;
    i32 key = first + i32(column);
    ScoreRow row =
        score_row(p, s, state.head[r], state.index[r], state.first[r], state.end[r]);
    float log_sum = state.log_sum[r], delta = state.delta[r];
    u32 kept = 0xF;
    if (p.drop_probability > 0) {
      float factors[4];
      dropout_factors(p, state.dropout, s.batch, row.head, state.index[r], key, factors);
      kept = 0;
#pragma unroll
      for (u32 e = 0; e < 4; e++) kept |= u32(factors[e] != 0) << e;
    }
#pragma unroll 1
    for (u32 e = 0; e < 4; e++) {
      u32 place = r * query_step + (column + e) * key_step;
      float factor = !(kept >> e & 1) ? 0 : p.drop_probability > 0 ? p.kept : 1;
      float capped = capped_score(p, tiles.weights[place] * p.scale);
      float score = masked_score(p, row, key + i32(e), capped, state.thresholds);
      float weight = score == -infinity ? 0 : exponential(score - log_sum);
      float incoming = factor == 0 ? 0 : tiles.gradients[place] * factor;
      float gradient = weight == 0 ? 0 : weight * (incoming - delta);
      if constexpr (ToProducts) {
        if (p.soft_cap > 0) {
          float tangent = capped / p.soft_cap;
          gradient = weight == 0 ? 0 : gradient * (1 - tangent * tangent);
        }
        gradient *= p.scale;
      }
      tiles.weights[place] = weight * factor;
      tiles.gradients[place] = gradient;
    }
  }
}

// Both tiles of the queries and keys that are placed, query by query. Every thread calls it.
template <bool ToProducts>
__device__ __forceinline__ void compute_gradients(
    const AttentionArgument &p, const Sequence &s, const BlockState &state,
    const GradientTiles &tiles, i32 first) {
  float sums[8][4];
  multiply_tiles<8>(sums, p.query, state.query, p.aligned & aligned_query, p.key, state.key,
                       p.aligned & aligned_key, u32(p.head_dimension), p.element_type,
                    tiles.buffer);
  put_scores<8>(tiles.weights, sums);
  multiply_tiles<8>(sums, p.output_gradient, state.output,
                       p.aligned & aligned_output_gradient, p.value, state.value,
                       p.aligned & aligned_value, u32(p.value_dimension), p.element_type,
                    tiles.buffer);
  put_scores<8>(tiles.gradients, sums);
  __syncthreads();
  shape_gradients<ToProducts>(p, s, state, tiles, score_stride, 1, first);
  __syncthreads();
}

// Rows of results to a gradient, through the thread's own places in the buffer.
template <u32 Groups>
__device__ __forceinline__ void store_rows(
    const float (&results)[8][4 * Groups], void *to, const i64 *offsets, u32 column, u32 width,
    bool aligned, u32 type, float *buffer) {
  u32 y = threadIdx.x / 16, x = threadIdx.x % 16;
  float *own = buffer + 4 * threadIdx.x;
  const float ones[8] = {1, 1, 1, 1, 1, 1, 1, 1};
#pragma unroll
  for (u32 g = 0; g < Groups; g++) {
    put_own<8, Groups>(own, results, g, ones);
#pragma unroll 1
    for (u32 i = 0; i < 8; i++) {
      i64 offset = offsets[y + 8 * i];
      if (offset < 0) continue;
      store_results(
          to, offset, column + 64 * g + 4 * x, width, aligned, type, own + i * own_stride);
    }
  }
}
