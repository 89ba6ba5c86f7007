// Sums and maxima over the threads of a warp or a block, in an order that does not change.
#pragma once

#include "numbers.cuh"

__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) value += __shfl_xor_sync(all_lanes, value, lanes);
  return value;
}

__device__ __forceinline__ float warp_maximum(float value) {
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2)
    value = maximum(value, __shfl_xor_sync(all_lanes, value, lanes));
  return value;
}

// Bytes of shared memory that a sum over a block of `threads` needs.
static constexpr u32 block_sum_bytes(u32 threads) { return threads / 32 * sizeof(float); }

// The sum over a group of `Threads` threads that starts at a multiple of Threads: a warp, or the
// whole block. Every thread gets it. `scratch` is used by blocks only.
template <u32 Threads> __device__ __forceinline__ float group_sum(float value, float *scratch) {
  value = warp_sum(value);
  if constexpr (Threads > 32) {
    u32 warp = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) scratch[warp] = value;
    __syncthreads();
    value = 0;
    for (u32 i = 0; i < Threads / 32; i++) value += scratch[i];
    __syncthreads(); // scratch may be written again
  }
  return value;
}
