// output = e^(x − m) / Σ e^(x − m) along a line with the maximum m, or its logarithm
// x − m − ln Σ e^(x − m).
//
// Shapes: input, output [outer, length, inner], contiguous. Inner 1: rows of `length`.
// Work: rows: a warp (4 a block), or a block of 512 threads where they are long, in two passes:
//   maximum and sum at once, then the result. Columns (inner > 1): a block takes 32 lines side by
//   side with 16 warps, each of which takes every 16th element of a line.
// Registers: a chunk and the running maximum and sum. Shared: 64 bytes a block; columns: 4 KiB.
// Bytes: input read twice, the second time from L1 or L2 where a line fits; output written once.
// Numerics: float; the running sum is scaled where the maximum grows. NaN, +∞ or nothing but −∞
//   in a line makes all of it NaN.
// Preconditions: length ≥ 1. The output may be the input.
// Source: Milakov, Gimelshein 2018 (online normaliser).
#include "../include/rows.cuh"
#include "../include/softmax.cuh"

struct Softmax {
  const void *input;
  void *output;
  u64 lines; // outer·inner
  i32 length, inner, logarithm;
};

// What is subtracted from x, and the factor behind the exponential.
struct LineResult {
  float maximum, log_sum, inverse;
  bool logarithms;

  __device__ __forceinline__ LineResult(const LineSum &line, bool logarithms)
      : maximum(line.maximum), log_sum(logarithm(line.sum)), inverse(1 / line.sum),
        logarithms(logarithms) {}

  __device__ __forceinline__ float operator()(float x) const {
    return logarithms ? x - maximum - log_sum : exponential(x - maximum) * inverse;
  }
};

template <typename T, u32 Threads>
__device__ __forceinline__ void softmax_rows(const Softmax &p, float *scratch) {
  u64 row = (u64(blockIdx.x) * blockDim.x + threadIdx.x) / Threads;
  if (row >= p.lines) return; // whole groups only
  u32 rank = threadIdx.x % Threads, length = u32(p.length);
  const T *input = static_cast<const T *>(p.input) + row * length;
  T *output = static_cast<T *>(p.output) + row * length;
  LineSum line;
  visit_row(input, length, rank, Threads, [&](u32, const auto &x) { line.add(x); });
  line.merge<Threads>(scratch);
  LineResult result(line, p.logarithm != 0);
  // In place, the split is the one of the first pass: a thread writes what it alone has read.
  map_row(input, output, length, rank, Threads, [&](u32, auto &x) {
#pragma unroll
    for (u32 i = 0; i < sizeof(x) / sizeof(float); i++) x[i] = result(x[i]);
  });
}

template <typename T>
__device__ __forceinline__ void softmax_columns(const Softmax &p, float *shared) {
  constexpr u32 warps = 16;
  u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  u64 at = u64(blockIdx.x) * 32 + lane, inner = u32(p.inner);
  bool inside = at < p.lines;
  u64 first = inside ? at / inner * inner * u32(p.length) + at % inner : 0;
  const T *input = static_cast<const T *>(p.input) + first;
  T *output = static_cast<T *>(p.output) + first;
  LineSum line;
  for (u32 k = warp; inside && k < u32(p.length); k += warps) {
    float x[1] = {to_float(input[k * inner])};
    line.add(x);
  }
  float *peaks = shared, *sums = shared + 32 * warps;
  peaks[threadIdx.x] = line.maximum;
  __syncthreads();
  float peak = peaks[lane];
  for (u32 i = 1; i < warps; i++) peak = maximum(peak, peaks[32 * i + lane]);
  line.raise(peak);
  sums[threadIdx.x] = line.sum;
  __syncthreads();
  line.sum = peak == -infinity ? not_a_number() : 0;
  for (u32 i = 0; i < warps; i++) line.sum += sums[32 * i + lane];
  LineResult result(line, p.logarithm != 0);
  for (u32 k = warp; inside && k < u32(p.length); k += warps)
    output[k * inner] = from_float<T>(result(to_float(input[k * inner])));
}

extern "C" __global__ void __launch_bounds__(128) softmax_f32_warp_per_row(ARGUMENT(Softmax, p)) {
  softmax_rows<float, 32>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128) softmax_f16_warp_per_row(ARGUMENT(Softmax, p)) {
  softmax_rows<f16, 32>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128) softmax_bf16_warp_per_row(ARGUMENT(Softmax, p)) {
  softmax_rows<bf16, 32>(p, nullptr);
}

extern "C" __global__ void __launch_bounds__(512) softmax_f32_block_per_row(ARGUMENT(Softmax, p)) {
  SHARED_MEMORY(shared);
  softmax_rows<float, 512>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(512) softmax_f16_block_per_row(ARGUMENT(Softmax, p)) {
  SHARED_MEMORY(shared);
  softmax_rows<f16, 512>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(512) softmax_bf16_block_per_row(ARGUMENT(Softmax, p)) {
  SHARED_MEMORY(shared);
  softmax_rows<bf16, 512>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(512) softmax_f32_columns(ARGUMENT(Softmax, p)) {
  SHARED_MEMORY(shared);
  softmax_columns<float>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(512) softmax_f16_columns(ARGUMENT(Softmax, p)) {
  SHARED_MEMORY(shared);
  softmax_columns<f16>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(512) softmax_bf16_columns(ARGUMENT(Softmax, p)) {
  SHARED_MEMORY(shared);
  softmax_columns<bf16>(p, reinterpret_cast<float *>(shared));
}
