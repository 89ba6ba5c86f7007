// Gradients of layer norm (Centered) and root-mean-square norm, which has neither mean nor bias.
// The kernels' files tell formula, shapes and work.
#pragma once

#include "reduce.cuh"

struct NormBackward {
  const void *sum, *weight, *output_gradient, *sum_gradient;
  const float *mean, *inverse;
  void *input_gradient;
  float *weight_partials, *bias_partials; // [blocks or parts, width]; null: not computed
  i32 rows, width;
};

// Two sums over a group at once, as group_sum.
template <u32 Threads>
__device__ __forceinline__ void group_sums(float &a, float &b, float *scratch) {
  a = warp_sum(a);
  b = warp_sum(b);
  if constexpr (Threads > 32) {
    constexpr u32 warps = Threads / 32;
    u32 warp = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) {
      scratch[warp] = a;
      scratch[warps + warp] = b;
    }
    __syncthreads();
    a = b = 0;
    for (u32 i = 0; i < warps; i++) {
      a += scratch[i];
      b += scratch[warps + i];
    }
    __syncthreads(); // scratch may be written again
  }
}

// Writes the block's column sums, held by its groups as they hold a row. Groups of one warp add
// up first, one after another, through shared memory that keeps each lane's column in its bank.
template <u32 Threads, u32 Warps, u32 Chunks, u32 Count>
__device__ __forceinline__ void write_partials(
    float *partials, u32 width, float (&sums)[Chunks][Count], float *shared) {
  u32 rank = threadIdx.x % Threads;
  if constexpr (Threads == 32) {
    for (u32 warp = 0; warp < Warps; warp++) {
      if (threadIdx.x / 32 == warp) {
#pragma unroll
        for (u32 c = 0; c < Chunks; c++)
#pragma unroll
          for (u32 i = 0; i < Count; i++) {
            float &slot = shared[(c * Count + i) * 32 + rank];
            if (warp > 0) sums[c][i] += slot;
            slot = sums[c][i];
          }
      }
      __syncthreads();
    }
    if (threadIdx.x / 32 != Warps - 1) return;
  }
  float *row = partials + u64(blockIdx.x) * width;
#pragma unroll
  for (u32 c = 0; c < Chunks; c++)
#pragma unroll
    for (u32 i = 0; i < Count; i += 4) {
      float four[4] = {sums[c][i], sums[c][i + 1], sums[c][i + 2], sums[c][i + 3]};
      store_chunk(row, (c * Threads + rank) * Count + i, width, four);
    }
}

// Rows of whole 16-byte chunks: a group takes every so many-th row, and keeps the sums over its
// rows in registers.
template <typename T, u32 Threads, u32 Warps, u32 Chunks, bool Centered>
__device__ __forceinline__ void norm_backward(const NormBackward &p, float *shared) {
  constexpr u32 count = chunk<T>;
  u32 rank = threadIdx.x % Threads, width = u32(p.width);
  u32 groups = gridDim.x * (Warps * 32 / Threads);
  u32 group = (blockIdx.x * (Warps * 32) + threadIdx.x) / Threads;
  float weight_sums[Chunks][count] = {}, bias_sums[Chunks][count] = {};
  for (u32 row = group; row < u32(p.rows); row += groups) {
    u64 offset = u64(row) * width;
    float mean = Centered ? p.mean[row] : 0, inverse = p.inverse[row];
    float x[Chunks][count], g[Chunks][count];
    float average = 0, product = 0;
#pragma unroll
    for (u32 c = 0; c < Chunks; c++) {
      u32 start = (c * Threads + rank) * count;
      load_chunk(static_cast<const T *>(p.sum) + offset, start, width, x[c]);
      load_chunk(static_cast<const T *>(p.output_gradient) + offset, start, width, g[c]);
      float weight[count];
      if (p.weight) load_chunk(static_cast<const T *>(p.weight), start, width, weight);
#pragma unroll
      for (u32 i = 0; i < count; i++) {
        // Past the row's end g is 0, and with it every term.
        x[c][i] = (x[c][i] - mean) * inverse;
        weight_sums[c][i] = multiply_add(g[c][i], x[c][i], weight_sums[c][i]);
        if constexpr (Centered) bias_sums[c][i] += g[c][i];
        if (p.weight) g[c][i] *= weight[i];
        if constexpr (Centered) average += g[c][i];
        product = multiply_add(g[c][i], x[c][i], product);
      }
    }
    group_sums<Threads>(average, product, shared);
    average /= float(width);
    product /= float(width);
#pragma unroll
    for (u32 c = 0; c < Chunks; c++) {
      u32 start = (c * Threads + rank) * count;
      float added[count] = {};
      if (p.sum_gradient)
        load_chunk(static_cast<const T *>(p.sum_gradient) + offset, start, width, added);
#pragma unroll
      for (u32 i = 0; i < count; i++) {
        float centered = Centered ? g[c][i] - average : g[c][i];
        added[i] = multiply_add(inverse, centered - x[c][i] * product, added[i]);
      }
      store_chunk(static_cast<T *>(p.input_gradient) + offset, start, width, added);
    }
  }
  if (p.weight_partials)
    write_partials<Threads, Warps>(p.weight_partials, width, weight_sums, shared);
  if constexpr (Centered) {
    if constexpr (Threads == 32) __syncthreads(); // the weight's sums have been read
    if (p.bias_partials)
      write_partials<Threads, Warps>(p.bias_partials, width, bias_sums, shared);
  }
}

// Rows of any width and alignment, one a block; the input's gradient alone.
template <typename T, u32 Threads, bool Centered>
__device__ __forceinline__ void norm_backward_strided(const NormBackward &p, float *scratch) {
  u32 row = blockIdx.x, width = u32(p.width);
  u64 offset = u64(row) * width;
  const T *sum = static_cast<const T *>(p.sum) + offset;
  const T *weight = static_cast<const T *>(p.weight);
  const T *output_gradient = static_cast<const T *>(p.output_gradient) + offset;
  const T *sum_gradient =
      p.sum_gradient ? static_cast<const T *>(p.sum_gradient) + offset : nullptr;
  T *input_gradient = static_cast<T *>(p.input_gradient) + offset;
  float mean = Centered ? p.mean[row] : 0, inverse = p.inverse[row];
  auto normalised = [&](u32 i) { return (to_float(sum[i]) - mean) * inverse; };
  auto scaled = [&](u32 i) {
    return to_float(output_gradient[i]) * (weight ? to_float(weight[i]) : 1);
  };
  float average = 0, product = 0;
  for (u32 i = threadIdx.x; i < width; i += Threads) {
    float g = scaled(i);
    if constexpr (Centered) average += g;
    product = multiply_add(g, normalised(i), product);
  }
  group_sums<Threads>(average, product, scratch);
  average /= float(width);
  product /= float(width);
  // A thread writes what it alone has read, so the output may be either gradient.
  for (u32 i = threadIdx.x; i < width; i += Threads) {
    float centered = Centered ? scaled(i) - average : scaled(i);
    float added = sum_gradient ? to_float(sum_gradient[i]) : 0;
    added = multiply_add(inverse, centered - normalised(i) * product, added);
    input_gradient[i] = from_float<T>(added);
  }
}

// Sums over a part of the rows for 32 columns: block (column tile, part), 8 warps that take every
// eighth row of the part. Must run before the input's gradient is written over its inputs.
template <typename T, bool Centered>
__device__ __forceinline__ void norm_backward_columns(const NormBackward &p, float *shared) {
  constexpr u32 warps = 8;
  u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  u32 column = blockIdx.x * 32 + lane, width = u32(p.width), rows = u32(p.rows);
  u32 per_part = (rows + gridDim.y - 1) / gridDim.y, begin = blockIdx.y * per_part;
  u32 end = begin + per_part < rows ? begin + per_part : rows;
  float weight_sum = 0, bias_sum = 0;
  if (column < width)
    for (u32 row = begin + warp; row < end; row += warps) {
      u64 at = u64(row) * width + column;
      float mean = Centered ? p.mean[row] : 0;
      float x = (to_float(static_cast<const T *>(p.sum)[at]) - mean) * p.inverse[row];
      float g = to_float(static_cast<const T *>(p.output_gradient)[at]);
      weight_sum = multiply_add(g, x, weight_sum);
      bias_sum += g;
    }
  shared[threadIdx.x] = weight_sum;
  shared[32 * warps + threadIdx.x] = bias_sum;
  __syncthreads();
  if (warp != 0 || column >= width) return;
  for (u32 i = 1; i < warps; i++) {
    weight_sum += shared[32 * i + lane];
    bias_sum += shared[32 * (warps + i) + lane];
  }
  u64 at = u64(blockIdx.y) * width + column;
  if (p.weight_partials) p.weight_partials[at] = weight_sum;
  if (Centered && p.bias_partials) p.bias_partials[at] = bias_sum;
}
