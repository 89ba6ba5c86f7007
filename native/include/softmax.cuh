// The maximum and the sum of exponentials of a line in one pass, and their merging over threads.
#pragma once

#include "reduce.cuh"

// The maximum over a group, as group_sum.
template <u32 Threads> __device__ __forceinline__ float group_maximum(float value, float *scratch) {
  value = warp_maximum(value);
  if constexpr (Threads > 32) {
    u32 warp = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) scratch[warp] = value;
    __syncthreads();
    value = scratch[0];
    for (u32 i = 1; i < Threads / 32; i++) value = maximum(value, scratch[i]);
    __syncthreads(); // scratch may be written again
  }
  return value;
}

// ln of a normal positive number to 2 ulp, 0 at 1: x = 2^e·m with m in [√½, √2),
// ln m = 2·artanh((m − 1)/(m + 1)) as a series up to the 9th power. ∞ and NaN stay, 0 gives −∞.
__device__ __forceinline__ float logarithm(float x) {
  if (!(x > 0 && x < infinity)) return x == 0 ? -infinity : x;
  u32 bits = bits_as<u32>(x) - 0x3F3504F3u; // √½
  float exponent = float(i32(bits) >> 23);
  float m = bits_as<float>((bits & 0x007FFFFF) + 0x3F3504F3u);
  float s = (m - 1) / (m + 1), square = s * s;
  float series = multiply_add(square, 1.f / 9, 1.f / 7);
  series = multiply_add(series, square, 1.f / 5);
  series = multiply_add(series, square, 1.f / 3);
  float rest = multiply_add(series * square, 2 * s, 2 * s);
  // ln 2 in two parts; the first times a whole exponent is exact.
  rest = multiply_add(exponent, -2.12194440e-4f, rest);
  return multiply_add(exponent, 0.693359375f, rest);
}

// What is subtracted before the exponential: the maximum, or 0 where there is none yet, so that
// −∞ − −∞ does not occur.
__device__ __forceinline__ float softmax_base(float maximum) {
  return maximum == -infinity ? 0 : maximum;
}

// Of some elements of a line: their maximum, and Σ e^(x − base). NaN or +∞ makes the sum NaN.
struct LineSum {
  float maximum = -infinity, sum = 0;

  template <u32 Count> __device__ __forceinline__ void add(const float (&x)[Count]) {
    float peak = x[0];
#pragma unroll
    for (u32 i = 1; i < Count; i++) peak = ::maximum(peak, x[i]);
    raise(::maximum(maximum, peak));
    float base = softmax_base(maximum);
#pragma unroll
    for (u32 i = 0; i < Count; i++) sum += exponential(x[i] - base);
  }

  // A sum without a maximum is 0, or NaN.
  __device__ __forceinline__ void raise(float to) {
    if (to != maximum && maximum != -infinity)
      sum *= exponential(maximum - softmax_base(to));
    maximum = to;
  }

  // Over the group; a line of nothing but −∞ has the sum NaN.
  template <u32 Threads> __device__ __forceinline__ void merge(float *scratch) {
    raise(group_maximum<Threads>(maximum, scratch));
    sum = group_sum<Threads>(sum, scratch);
    if (maximum == -infinity) sum = not_a_number();
  }
};
