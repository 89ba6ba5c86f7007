// What a warp of attention's forward kernel on tensor cores holds, and does to a tile of 64 keys:
// scores, weights under the maximum so far, and the sum of the values under these weights.
#pragma once

#include "fragments.cuh"

template <u32 Width> static constexpr u32 row_tiles = Width == 64 ? 2 : 1; // of 16, for a warp
template <u32 Width> static constexpr bool keeps_queries = Width <= 128;   // in registers

// What a warp has found so far.
template <u32 Width> struct Results {
  static constexpr u32 tiles = row_tiles<Width>;
  float sums[tiles][Width / 8][4], maxima[tiles][2], totals[tiles][2];

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (u32 m = 0; m < tiles; m++) {
#pragma unroll
      for (u32 i = 0; i < Width / 2; i++) sums[m][i / 4][i % 4] = 0;
#pragma unroll
      for (u32 half = 0; half < 2; half++) {
        maxima[m][half] = -infinity;
        totals[m][half] = 0;
      }
    }
  }

  __device__ __forceinline__ bool finite() const {
    bool all = true;
#pragma unroll
    for (u32 i = 0; i < tiles * Width / 2; i++) {
      float sum = sums[i / (Width / 2)][i / 4 % (Width / 8)][i % 4];
      all &= sum - sum == 0;
    }
    return all;
  }
};

// scores = queries·keysᵀ, 16 rows by 64 keys for each tile of the warp's.
template <typename T, u32 Width>
__device__ __forceinline__ void multiply_keys_of(
    const u8 *queries, const u32 (&kept)[row_tiles<Width>][Width / 16][4], const u8 *keys,
    float (&scores)[row_tiles<Width>][8][4]) {
  constexpr u32 tiles = row_tiles<Width>;
  u32 row = threadIdx.x / 32 * 16 * tiles;
  TilePlace rows = place_of_rows<Width>(), columns = place_of_columns<Width>();
#pragma unroll
  for (u32 i = 0; i < tiles * 32; i++) scores[i / 32][i / 4 % 8][i % 4] = 0;
#pragma unroll
  for (u32 k = 0; k < Width; k += 16) {
    u32 a[tiles][4];
#pragma unroll
    for (u32 m = 0; m < tiles; m++) {
      if constexpr (keeps_queries<Width>) {
#pragma unroll
        for (u32 i = 0; i < 4; i++) a[m][i] = kept[m][k / 16][i];
      } else load_matrices(a[m], queries, rows.offset<Width>(row + 16 * m, k));
    }
#pragma unroll
    for (u32 n = 0; n < 8; n += 2) {
      u32 b[4];
      load_matrices(b, keys, columns.offset<Width>(8 * n, k));
#pragma unroll
      for (u32 m = 0; m < tiles; m++) {
        multiply_tiles<T>(scores[m][n], a[m], b[0], b[1]);
        multiply_tiles<T>(scores[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

template <u32 Width>
__device__ __forceinline__ void multiply_keys(
    u32 type, const u8 *queries, const u32 (&kept)[row_tiles<Width>][Width / 16][4],
    const u8 *keys, float (&scores)[row_tiles<Width>][8][4]) {
  if constexpr (has_bf16_tiles)
    if (type == type_bf16) return multiply_keys_of<bf16, Width>(queries, kept, keys, scores);
  multiply_keys_of<f16, Width>(queries, kept, keys, scores);
}

// Scores, in units of `factor` times a binary logarithm, become weights under the new maximum,
// under which what was summed so far shrinks; counts stay.
template <u32 Width>
__device__ __forceinline__ void weigh(
    float (&scores)[8][4], float factor, bool counted, float (&maxima)[2], float (&totals)[2],
    float (&sums)[Width / 8][4]) {
#pragma unroll
  for (u32 half = 0; half < 2; half++) {
    float top = maxima[half];
#pragma unroll
    for (u32 i = 0; i < 16; i++) top = larger(top, scores[i / 2][2 * half + i % 2]);
    top = larger(top, __shfl_xor_sync(all_lanes, top, 1));
    top = larger(top, __shfl_xor_sync(all_lanes, top, 2));
    float base = top == -infinity ? 0 : top * factor;
    float shrink = exp2_fast(multiply_add(maxima[half], factor, -base));
    maxima[half] = top;
    float total = totals[half] * shrink;
    if (counted) shrink = 1;
#pragma unroll
    for (u32 n = 0; n < Width / 8; n++) {
      sums[n][2 * half] *= shrink;
      sums[n][2 * half + 1] *= shrink;
    }
#pragma unroll
    for (u32 i = 0; i < 16; i++) {
      float &score = scores[i / 2][2 * half + i % 2];
      score = exp2_fast(multiply_add(score, factor, -base));
      total += score;
    }
    totals[half] = total;
  }
}

// Weights that dropout leaves; or, where the tile of values tells what is not finite, 1 for each
// that is not 0.
__device__ __forceinline__ void choose_weights(
    float (&weights)[8][4], u32 kept, bool counted) {
#pragma unroll
  for (u32 e = 0; e < 32; e++) {
    float &weight = weights[e / 4][e % 4];
    weight = kept >> e & 1 ? weight : 0;
    weight = counted ? weight > 0 : weight;
  }
}

// sums += weights·values.
template <typename T, u32 Width>
__device__ __forceinline__ void multiply_values_of(
    const float (&weights)[row_tiles<Width>][8][4], const u8 *values,
    float (&sums)[row_tiles<Width>][Width / 8][4]) {
  constexpr u32 tiles = row_tiles<Width>;
  TilePlace rows = place_of_rows<Width>();
#pragma unroll
  for (u32 k = 0; k < 4; k++) {
    u32 a[tiles][4];
#pragma unroll
    for (u32 m = 0; m < tiles; m++) as_a<T>(a[m], weights[m][2 * k], weights[m][2 * k + 1]);
#pragma unroll
    for (u32 n = 0; n < Width / 8; n += 2) {
      u32 b[4];
      load_matrices_transposed(b, values, rows.offset<Width>(16 * k, 8 * n));
#pragma unroll
      for (u32 m = 0; m < tiles; m++) {
        multiply_tiles<T>(sums[m][n], a[m], b[0], b[1]);
        multiply_tiles<T>(sums[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

template <u32 Width>
__device__ __forceinline__ void multiply_values(
    u32 type, const float (&weights)[row_tiles<Width>][8][4], const u8 *values,
    float (&sums)[row_tiles<Width>][Width / 8][4]) {
  if constexpr (has_bf16_tiles)
    if (type == type_bf16) return multiply_values_of<bf16, Width>(weights, values, sums);
  multiply_values_of<f16, Width>(weights, values, sums);
}
