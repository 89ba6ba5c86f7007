// norm = √Σ gradient²; clip_scale = min(1, max_norm / (norm + 1e-6)), 1 where max_norm is 0.
//
// Shapes: gradient [length]; partial sums [blocks] double; norm, clip_scale [1] float.
// Work: `partials`: blocks of 256 threads, 16 bytes a thread at a time, each block's sum to its
//   place; `total`: one block of 256 threads adds them.
// Registers: a chunk and a sum. Shared: 2 KiB.
// Bytes: gradient read once: bound by memory, 4 bytes a double multiply-add.
// Numerics: double sums, as squares of floats leave their range; the order depends on length
//   and alignment alone. NaN in the gradient gives NaN in both results.
// Source: Pascanu, Mikolov, Bengio 2013.
#include "../include/double_sum.cuh"
#include "../include/elementwise.cuh"

struct GradientNormPartials {
  const void *gradient;
  double *partials;
  u64 length, chunks;
};

struct GradientNormTotal {
  const double *partials;
  float *norm, *clip_scale;
  double max_norm;
  i32 parts;
};

__device__ __forceinline__ double square_root(double value) {
#if defined(TRANSFORMER_EMULATION)
  return std::sqrt(value);
#else
  double result;
  asm("sqrt.rn.f64 %0, %1;" : "=d"(result) : "d"(value));
  return result;
#endif
}

template <typename T>
__device__ __forceinline__ void gradient_norm_partials(
    const GradientNormPartials &p, double *shared) {
  constexpr u32 count = chunk<T>;
  const T *gradient = static_cast<const T *>(p.gradient);
  double sum = 0;
  for (u64 c = launch_rank(); c < p.chunks; c += launch_threads()) {
    float x[count];
    load_chunk(gradient + c * count, 0, count, x);
#pragma unroll
    for (u32 i = 0; i < count; i++) sum += double(x[i]) * double(x[i]);
  }
  for (u64 i = p.chunks * count + launch_rank(); i < p.length; i += launch_threads()) {
    double x = to_float(gradient[i]);
    sum += x * x;
  }
  sum = block_sum<256>(sum, shared);
  if (threadIdx.x == 0) p.partials[blockIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(256)
gradient_norm_total(ARGUMENT(GradientNormTotal, p)) {
  SHARED_MEMORY(shared);
  double sum = 0;
  for (u32 i = threadIdx.x; i < u32(p.parts); i += 256) sum += p.partials[i];
  sum = block_sum<256>(sum, reinterpret_cast<double *>(shared));
  if (threadIdx.x != 0) return;
  double norm = square_root(sum), scale = p.max_norm / (norm + 1e-6);
  p.norm[0] = float(norm);
  p.clip_scale[0] = p.max_norm == 0 || scale >= 1 ? 1 : float(scale);
}

extern "C" __global__ void __launch_bounds__(256)
gradient_norm_partials_f32(ARGUMENT(GradientNormPartials, p)) {
  SHARED_MEMORY(shared);
  gradient_norm_partials<float>(p, reinterpret_cast<double *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
gradient_norm_partials_f16(ARGUMENT(GradientNormPartials, p)) {
  SHARED_MEMORY(shared);
  gradient_norm_partials<f16>(p, reinterpret_cast<double *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
gradient_norm_partials_bf16(ARGUMENT(GradientNormPartials, p)) {
  SHARED_MEMORY(shared);
  gradient_norm_partials<bf16>(p, reinterpret_cast<double *>(shared));
}
