// Sums in double over a block, where a float would lose digits or range.
#pragma once

#include "numbers.cuh"

// The block's sum, by halves of the threads one after another; every thread gets it.
// Shared memory: a number a thread.
template <u32 Threads>
__device__ __forceinline__ double block_sum(double value, double *shared) {
  shared[threadIdx.x] = value;
#pragma unroll
  for (u32 half = Threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
  }
  __syncthreads();
  value = shared[0];
  __syncthreads(); // shared may be written again
  return value;
}
