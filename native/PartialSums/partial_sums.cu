// target[w] += Σ partials[part, w], for one or two pairs of them.
//
// Shapes: partials [parts, width] float, target [width]; the second pair may be null.
// Work: a block of 32 columns by 16 warps, blockIdx.y the pair; each warp adds every 16th part,
//   then the first warp adds the warps' sums.
// Registers: one sum a thread. Shared: 2 KiB.
// Bytes: the partials read once.
// Numerics: float, in an order that the number of parts alone decides; one rounding on writing.
#include "../include/numbers.cuh"

struct PartialSums {
  const float *partials, *second_partials;
  void *target, *second_target;
  i32 parts, width;
};

template <typename T>
__device__ __forceinline__ void partial_sums(const PartialSums &p, u8 *bytes) {
  constexpr u32 warps = 16;
  float *shared = reinterpret_cast<float *>(bytes);
  u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  u32 column = blockIdx.x * 32 + lane, width = u32(p.width);
  const float *partials = blockIdx.y == 0 ? p.partials : p.second_partials;
  T *target = static_cast<T *>(blockIdx.y == 0 ? p.target : p.second_target);
  if (!target) return; // the whole block
  float sum = 0;
  if (column < width)
    for (u32 part = warp; part < u32(p.parts); part += warps)
      sum += partials[u64(part) * width + column];
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (warp != 0 || column >= width) return;
  for (u32 i = 1; i < warps; i++) sum += shared[32 * i + lane];
  target[column] = from_float<T>(to_float(target[column]) + sum);
}

extern "C" __global__ void __launch_bounds__(512) partial_sums_f32(ARGUMENT(PartialSums, p)) {
  SHARED_MEMORY(shared);
  partial_sums<float>(p, shared);
}
extern "C" __global__ void __launch_bounds__(512) partial_sums_f16(ARGUMENT(PartialSums, p)) {
  SHARED_MEMORY(shared);
  partial_sums<f16>(p, shared);
}
extern "C" __global__ void __launch_bounds__(512) partial_sums_bf16(ARGUMENT(PartialSums, p)) {
  SHARED_MEMORY(shared);
  partial_sums<bf16>(p, shared);
}
