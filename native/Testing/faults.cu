// Kernels with one mistake each, for the tests of the emulation: part of the emulation library
// alone, never of what a GPU is given.
//
// Formula   reverse: output[i] = input[n - 1 - i]; sum: output[i] = sum of input; copy: output[i] =
//           input[i]; touch: reads or writes the element at `offset`
// Shapes    input, output [count]; one block, with `count` threads where threads share memory
// Numerics  values are moved, or whole numbers added: exact
#include "../include/numbers.cuh"

// reduce.cuh as it would be if somebody had forgotten its barriers.
#pragma push_macro("__syncthreads")
#define __syncthreads() static_cast<void>(0)
namespace without_barriers {
#include "../include/reduce.cuh"
}
#pragma pop_macro("__syncthreads")

struct Testing {
  const float *input;
  float *output;
  i32 count;
  i32 offset;
};

extern "C" __global__ void testing_reverse(ARGUMENT(Testing, p)) {
  SHARED_MEMORY(shared);
  float *values = reinterpret_cast<float *>(shared);
  values[threadIdx.x] = p.input[threadIdx.x];
  __syncthreads();
  p.output[threadIdx.x] = values[u32(p.count) - 1 - threadIdx.x];
}

extern "C" __global__ void testing_reverse_without_barrier(ARGUMENT(Testing, p)) {
  SHARED_MEMORY(shared);
  float *values = reinterpret_cast<float *>(shared);
  values[threadIdx.x] = p.input[threadIdx.x];
  p.output[threadIdx.x] = values[u32(p.count) - 1 - threadIdx.x];
}

extern "C" __global__ void testing_sum_without_barriers(ARGUMENT(Testing, p)) {
  SHARED_MEMORY(shared);
  float value = p.input[threadIdx.x];
  p.output[threadIdx.x] =
      without_barriers::group_sum<128>(value, reinterpret_cast<float *>(shared));
}

// Warps write again what others may not have read yet.
extern "C" __global__ void testing_rewrite_without_barrier(ARGUMENT(Testing, p)) {
  SHARED_MEMORY(shared);
  float *values = reinterpret_cast<float *>(shared);
  float total = 0;
  for (u32 turn = 0; turn < 2; turn++) {
    if (threadIdx.x % 32 == 0) values[threadIdx.x / 32] = p.input[threadIdx.x] + float(turn);
    __syncthreads();
    for (u32 warp = 0; warp < blockDim.x / 32; warp++) total += values[warp];
  }
  p.output[threadIdx.x] = total;
}

// Half of a warp waits where the other half never comes.
extern "C" __global__ void testing_barrier_in_a_branch(ARGUMENT(Testing, p)) {
  if (threadIdx.x % 2 == 0) __syncthreads();
  p.output[threadIdx.x] = __shfl_xor_sync(all_lanes, p.input[threadIdx.x], 1);
}

// Both halves wait, each at a barrier of its own.
extern "C" __global__ void testing_two_barriers(ARGUMENT(Testing, p)) {
  if (threadIdx.x % 2 == 0)
    __syncthreads();
  else
    __syncthreads();
  p.output[threadIdx.x] = p.input[threadIdx.x];
}

extern "C" __global__ void testing_shuffle_without_a_lane(ARGUMENT(Testing, p)) {
  if (threadIdx.x == 7) return;
  p.output[threadIdx.x] = __shfl_xor_sync(all_lanes, p.input[threadIdx.x], 1);
}

// One iteration too many.
extern "C" __global__ void testing_copy_off_by_one(ARGUMENT(Testing, p)) {
  for (u32 i = threadIdx.x; i <= u32(p.count); i += blockDim.x) p.output[i] = p.input[i];
}

extern "C" __global__ void testing_read_at(ARGUMENT(Testing, p)) {
  p.output[threadIdx.x] = p.input[p.offset];
}

extern "C" __global__ void testing_write_at(ARGUMENT(Testing, p)) {
  if (threadIdx.x == 0) p.output[p.offset] = 1;
}

extern "C" __global__ void testing_write_shared_at(ARGUMENT(Testing, p)) {
  SHARED_MEMORY(shared);
  if (threadIdx.x == 0) reinterpret_cast<float *>(shared)[p.offset] = 1;
}

extern "C" __global__ void testing_load_words_at(ARGUMENT(Testing, p)) {
  Words words = load_words(p.input + p.offset);
  p.output[threadIdx.x] = bits_as<float>(words.words[0]);
}

extern "C" __global__ void testing_add_one(ARGUMENT(Testing, p)) {
  p.output[threadIdx.x] = p.input[threadIdx.x] + 1;
}
