// The forward product for up to 8 rows, as generation has them: bound by reading the weight once.
//
// Shapes: a = input [m, k], m ≤ 8; b = weight [n, k].
// Work: a warp owns 2 of the n features; its lanes take 16-byte pieces of k in turn, or single
//   elements where rows do not start on 16 bytes, and multiply them by all rows of the input, which
//   L1 serves. Registers: 16 accumulators.
// Bytes: b once, the input once a warp, from L1 or L2.
// Numerics: float; a lane's own sum in ascending k, then a tree over the warp.
#pragma once

#include "../include/reduce.cuh"
#include "epilogue.cuh"

static constexpr u32 most_few_rows = 8;

template <typename T> __device__ __forceinline__ void linear_few_rows(const LinearProduct &p) {
  constexpr u32 features = 2, count = chunk<T>;
  u32 lane = threadIdx.x % 32, m = u32(p.m), n = u32(p.n), k = u32(p.k);
  u32 first = (blockIdx.x * blockDim.x + threadIdx.x) / 32 * features;
  if (first >= n) return; // whole warps
  const T *input = static_cast<const T *>(p.a);
  // The feature behind the last one stands for it and is not written.
  const T *weights[features] = {
      static_cast<const T *>(p.b) + u64(first) * k,
      static_cast<const T *>(p.b) + u64(first + 1 < n ? first + 1 : first) * k};
  float sums[most_few_rows][features] = {};
  if (p.a_whole && p.b_whole) {
    for (u32 start = lane * count; start < k; start += 32 * count) {
      float weight[features][count];
#pragma unroll
      for (u32 f = 0; f < features; f++) load_chunk(weights[f], start, k, weight[f]);
#pragma unroll
      for (u32 row = 0; row < most_few_rows; row++) {
        if (row >= m) break;
        float x[count];
        load_chunk(input + u64(row) * k, start, k, x);
#pragma unroll
        for (u32 i = 0; i < features * count; i++)
          sums[row][i / count] =
              multiply_add(x[i % count], weight[i / count][i % count], sums[row][i / count]);
      }
    }
  } else {
    for (u32 at = lane; at < k; at += 32) {
      float weight[features] = {to_float(weights[0][at]), to_float(weights[1][at])};
#pragma unroll
      for (u32 row = 0; row < most_few_rows; row++) {
        if (row >= m) break;
        float x = to_float(input[u64(row) * k + at]);
#pragma unroll
        for (u32 f = 0; f < features; f++)
          sums[row][f] = multiply_add(x, weight[f], sums[row][f]);
      }
    }
  }
  // Lane r gets row r's sums.
  float own[4] = {}, bias[4] = {};
#pragma unroll
  for (u32 row = 0; row < most_few_rows; row++) {
    if (row >= m) break;
#pragma unroll
    for (u32 f = 0; f < features; f++) {
      float sum = warp_sum(sums[row][f]);
      own[f] = lane == row ? sum : own[f];
    }
  }
  if (lane >= m) return;
  u32 present = n - first < features ? n - first : features;
  if (p.bias) load_four(bias, static_cast<const T *>(p.bias) + first, false, present);
  finish<T, Epilogue::activate>(p, own, bias, u64(lane) * n + first, false, present);
}
