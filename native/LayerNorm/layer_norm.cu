// sum = input + residual; output = (sum − mean)·inverse_std ⊙ weight + bias, row by row.
//
// Shapes: input, residual, sum, output [rows, width]; weight, bias [width]; mean, inverse_std
//   [rows] in float whatever the element type. Contiguous.
// Work: a row belongs to a warp or to a block of 256 threads. Rows of whole 16-byte chunks stay in
//   registers: a thread holds every 32nd or 256th chunk, Chunks of them. `strided` takes rows of
//   any width and alignment and reads input and residual three times, from L1 or L2.
// Registers: the row's chunks as floats, indexed by unrolled loops only. Shared: 32 bytes a block.
// Bytes: input and residual read once, sum and output written once: bound by memory.
// Numerics: the row is shifted by its first element, which keeps the mean's digits where it is
//   large; then the mean, then the squared distance from it. Float accumulators: a thread's own
//   elements, a tree over the warp, the warps in order.
// Preconditions: width ≥ 1. Outputs may be the inputs themselves.
// Source: Ba, Kiros, Hinton 2016.
#include "../include/reduce.cuh"

struct LayerNormForward {
  const void *input, *residual, *weight, *bias;
  void *sum, *output;
  float *mean, *inverse_std;
  i32 rows, width;
  float epsilon;
};

template <typename T, u32 Threads, u32 Chunks>
__device__ __forceinline__ void layer_norm_forward(const LayerNormForward &p, float *scratch) {
  constexpr u32 count = chunk<T>;
  u32 row = (blockIdx.x * blockDim.x + threadIdx.x) / Threads;
  if (row >= u32(p.rows)) return; // whole groups only
  u32 rank = threadIdx.x % Threads, width = u32(p.width);
  u64 offset = u64(row) * width;
  const T *input = static_cast<const T *>(p.input) + offset;
  const T *residual = p.residual ? static_cast<const T *>(p.residual) + offset : nullptr;
  T *sum = p.sum ? static_cast<T *>(p.sum) + offset : nullptr;

  float x[Chunks][count];
  float total = 0;
  float first = to_float(input[0]) + (residual ? to_float(residual[0]) : 0);
  if constexpr (Threads > 32) __syncthreads(); // the sum may be the residual itself
  else __syncwarp();
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
#pragma unroll
    for (u32 i = 0; i < count; i++) total += start + i < width ? x[c][i] - first : 0;
  }
  float shift = group_sum<Threads>(total, scratch) / float(width);
  float squares = 0;
#pragma unroll
  for (u32 c = 0; c < Chunks; c++)
#pragma unroll
    for (u32 i = 0; i < count; i++) {
      x[c][i] = x[c][i] - first - shift;
      bool inside = (c * Threads + rank) * count + i < width;
      squares = inside ? multiply_add(x[c][i], x[c][i], squares) : squares;
    }
  float variance = group_sum<Threads>(squares, scratch) / float(width);
  float scale = 1 / square_root(variance + p.epsilon);

  T *output = static_cast<T *>(p.output) + offset;
#pragma unroll
  for (u32 c = 0; c < Chunks; c++) {
    u32 start = (c * Threads + rank) * count;
    float weight[count], bias[count];
    if (p.weight) load_chunk(static_cast<const T *>(p.weight), start, width, weight);
    if (p.bias) load_chunk(static_cast<const T *>(p.bias), start, width, bias);
#pragma unroll
    for (u32 i = 0; i < count; i++) {
      float value = x[c][i] * scale;
      if (p.weight) value *= weight[i];
      if (p.bias) value += bias[i];
      x[c][i] = value;
    }
    store_chunk(output, start, width, x[c]);
  }
  if (rank == 0 && p.mean) p.mean[row] = first + shift;
  if (rank == 0 && p.inverse_std) p.inverse_std[row] = scale;
}

template <typename T, u32 Threads>
__device__ __forceinline__ void layer_norm_forward_strided(
    const LayerNormForward &p, float *scratch) {
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
  float first = element(0);
  float total = 0;
  for (u32 i = rank; i < width; i += Threads) total += element(i) - first;
  float shift = group_sum<Threads>(total, scratch) / float(width);
  float squares = 0;
  for (u32 i = rank; i < width; i += Threads) {
    float distance = element(i) - first - shift;
    squares = multiply_add(distance, distance, squares);
  }
  float variance = group_sum<Threads>(squares, scratch) / float(width);
  float scale = 1 / square_root(variance + p.epsilon);
  // A thread writes what it alone has read, so the outputs may be the inputs.
  for (u32 i = rank; i < width; i += Threads) {
    float x = element(i);
    float value = (x - first - shift) * scale;
    if (weight) value *= to_float(weight[i]);
    if (bias) value += to_float(bias[i]);
    if (sum) sum[i] = from_float<T>(x);
    output[i] = from_float<T>(value);
  }
  if (rank == 0 && p.mean) p.mean[row] = first + shift;
  if (rank == 0 && p.inverse_std) p.inverse_std[row] = scale;
}

extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_f32_warp_per_row(ARGUMENT(LayerNormForward, p)) {
  layer_norm_forward<float, 32, 8>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_f32_warp_strided(ARGUMENT(LayerNormForward, p)) {
  layer_norm_forward_strided<float, 32>(p, nullptr);
}

extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_f32_block_per_row(ARGUMENT(LayerNormForward, p)) {
  SHARED_MEMORY(shared);
  layer_norm_forward<float, 256, 8>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_f32_block_strided(ARGUMENT(LayerNormForward, p)) {
  SHARED_MEMORY(shared);
  layer_norm_forward_strided<float, 256>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_f16_warp_per_row(ARGUMENT(LayerNormForward, p)) {
  layer_norm_forward<f16, 32, 8>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_f16_warp_strided(ARGUMENT(LayerNormForward, p)) {
  layer_norm_forward_strided<f16, 32>(p, nullptr);
}

extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_f16_block_per_row(ARGUMENT(LayerNormForward, p)) {
  SHARED_MEMORY(shared);
  layer_norm_forward<f16, 256, 8>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_f16_block_strided(ARGUMENT(LayerNormForward, p)) {
  SHARED_MEMORY(shared);
  layer_norm_forward_strided<f16, 256>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_bf16_warp_per_row(ARGUMENT(LayerNormForward, p)) {
  layer_norm_forward<bf16, 32, 8>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_bf16_warp_strided(ARGUMENT(LayerNormForward, p)) {
  layer_norm_forward_strided<bf16, 32>(p, nullptr);
}

extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_bf16_block_per_row(ARGUMENT(LayerNormForward, p)) {
  SHARED_MEMORY(shared);
  layer_norm_forward<bf16, 256, 8>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_bf16_block_strided(ARGUMENT(LayerNormForward, p)) {
  SHARED_MEMORY(shared);
  layer_norm_forward_strided<bf16, 256>(p, reinterpret_cast<float *>(shared));
}
