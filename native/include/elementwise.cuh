// Maps over tensors without axes: whole 16-byte chunks, then elements one by one. The launch says
// how many chunks; 0 where a tensor starts off 16 bytes.
#pragma once

#include "numbers.cuh"

// Thread and threads of the whole launch.
__device__ __forceinline__ u64 launch_rank() {
  return u64(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ __forceinline__ u64 launch_threads() { return u64(gridDim.x) * blockDim.x; }

// output[i] = f(input[i]).
template <typename T, typename Function>
__device__ __forceinline__ void map(
    const T *input, T *output, u64 length, u64 chunks, Function f) {
  constexpr u32 count = chunk<T>;
  for (u64 c = launch_rank(); c < chunks; c += launch_threads()) {
    float x[count];
    load_chunk(input + c * count, 0, count, x);
#pragma unroll
    for (u32 i = 0; i < count; i++) x[i] = f(x[i]);
    store_chunk(output + c * count, 0, count, x);
  }
  for (u64 i = chunks * count + launch_rank(); i < length; i += launch_threads())
    output[i] = from_float<T>(f(to_float(input[i])));
}

// output[i] = f(left[i], right[i]).
template <typename T, typename Function>
__device__ __forceinline__ void map(
    const T *left, const T *right, T *output, u64 length, u64 chunks, Function f) {
  constexpr u32 count = chunk<T>;
  for (u64 c = launch_rank(); c < chunks; c += launch_threads()) {
    float x[count], y[count];
    load_chunk(left + c * count, 0, count, x);
    load_chunk(right + c * count, 0, count, y);
#pragma unroll
    for (u32 i = 0; i < count; i++) x[i] = f(x[i], y[i]);
    store_chunk(output + c * count, 0, count, x);
  }
  for (u64 i = chunks * count + launch_rank(); i < length; i += launch_threads())
    output[i] = from_float<T>(f(to_float(left[i]), to_float(right[i])));
}
