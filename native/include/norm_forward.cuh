// Forward rows of layer norm (Centered) and root-mean-square norm, which has neither mean nor
// bias. The kernels' files tell formula, shapes and work.
#pragma once

#include "reduce.cuh"

struct NormForward {
  const void *input, *residual, *weight, *bias;
  void *sum, *output;
  float *mean, *inverse;
  i32 rows, width;
  float epsilon;
};

// Rows of whole 16-byte chunks, of which a thread holds every Threads-th, Chunks of them.
template <typename T, u32 Threads, u32 Chunks, bool Centered>
__device__ __forceinline__ void norm_forward(const NormForward &p, float *scratch) {
  constexpr u32 count = chunk<T>;
  u32 row = (blockIdx.x * blockDim.x + threadIdx.x) / Threads;
  if (row >= u32(p.rows)) return; // whole groups only
  u32 rank = threadIdx.x % Threads, width = u32(p.width);
  u64 offset = u64(row) * width;
  const T *input = static_cast<const T *>(p.input) + offset;
  const T *residual = p.residual ? static_cast<const T *>(p.residual) + offset : nullptr;
  T *sum = p.sum ? static_cast<T *>(p.sum) + offset : nullptr;

  float x[Chunks][count];
  float total = 0, first = 0, shift = 0;
  if constexpr (Centered) {
    first = to_float(input[0]) + (residual ? to_float(residual[0]) : 0);
    if constexpr (Threads > 32) __syncthreads(); // the sum may be the residual itself
    else __syncwarp();
  }
#pragma unroll
  for (u32 c = 0; c < Chunks; c++) {
    u32 start = (c * Threads + rank) * count;
    load_chunk(input, start, width, x[c]);
    if (residual) {
      float added[count];
      load_chunk(residual, start, width, added);
#pragma unroll
      for (u32 i = 0; i < count; i++) x[c][i] += added[i];
    }
    if (sum) store_chunk(sum, start, width, x[c]);
    if constexpr (Centered) {
#pragma unroll
      for (u32 i = 0; i < count; i++) total += start + i < width ? x[c][i] - first : 0;
    }
  }
  if constexpr (Centered) shift = group_sum<Threads>(total, scratch) / float(width);
  float squares = 0;
#pragma unroll
  for (u32 c = 0; c < Chunks; c++)
#pragma unroll
    for (u32 i = 0; i < count; i++) {
      if constexpr (Centered) x[c][i] = x[c][i] - first - shift;
      bool inside = (c * Threads + rank) * count + i < width;
      squares = inside ? multiply_add(x[c][i], x[c][i], squares) : squares;
    }
  float mean_square = group_sum<Threads>(squares, scratch) / float(width);
  float scale = 1 / square_root(mean_square + p.epsilon);

  T *output = static_cast<T *>(p.output) + offset;
#pragma unroll
  for (u32 c = 0; c < Chunks; c++) {
    u32 start = (c * Threads + rank) * count;
    float weight[count], bias[count];
    if (p.weight) load_chunk(static_cast<const T *>(p.weight), start, width, weight);
    if (Centered && p.bias) load_chunk(static_cast<const T *>(p.bias), start, width, bias);
#pragma unroll
    for (u32 i = 0; i < count; i++) {
      float value = x[c][i] * scale;
      if (p.weight) value *= weight[i];
      if (Centered && p.bias) value += bias[i];
      x[c][i] = value;
    }
    store_chunk(output, start, width, x[c]);
  }
  if (Centered && rank == 0 && p.mean) p.mean[row] = first + shift;
  if (rank == 0 && p.inverse) p.inverse[row] = scale;
}

// Rows of any width and alignment; input and residual are read once more a pass.
template <typename T, u32 Threads, bool Centered>
__device__ __forceinline__ void norm_forward_strided(const NormForward &p, float *scratch) {
  u32 row = (blockIdx.x * blockDim.x + threadIdx.x) / Threads;
  if (row >= u32(p.rows)) return; // whole groups only
  u32 rank = threadIdx.x % Threads, width = u32(p.width);
  u64 offset = u64(row) * width;
  const T *input = static_cast<const T *>(p.input) + offset;
  const T *residual = p.residual ? static_cast<const T *>(p.residual) + offset : nullptr;
  const T *weight = static_cast<const T *>(p.weight), *bias = static_cast<const T *>(p.bias);
  T *sum = p.sum ? static_cast<T *>(p.sum) + offset : nullptr;
  T *output = static_cast<T *>(p.output) + offset;

  auto element = [&](u32 i) {
    return to_float(input[i]) + (residual ? to_float(residual[i]) : 0);
  };
  float first = 0, shift = 0;
  if constexpr (Centered) {
    first = element(0);
    float total = 0;
    for (u32 i = rank; i < width; i += Threads) total += element(i) - first;
    shift = group_sum<Threads>(total, scratch) / float(width);
  }
  float squares = 0;
  for (u32 i = rank; i < width; i += Threads) {
    float distance = element(i) - first - shift;
    squares = multiply_add(distance, distance, squares);
  }
  float mean_square = group_sum<Threads>(squares, scratch) / float(width);
  float scale = 1 / square_root(mean_square + p.epsilon);
  // A thread writes what it alone has read, so the outputs may be the inputs.
  for (u32 i = rank; i < width; i += Threads) {
    float x = element(i);
    float value = (x - first - shift) * scale;
    if (weight) value *= to_float(weight[i]);
    if (Centered && bias) value += to_float(bias[i]);
    if (sum) sum[i] = from_float<T>(x);
    output[i] = from_float<T>(value);
  }
  if (Centered && rank == 0 && p.mean) p.mean[row] = first + shift;
  if (rank == 0 && p.inverse) p.inverse[row] = scale;
}
