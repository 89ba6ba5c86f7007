// Element types and the arithmetic that is not an operator. Kernels compute in float whatever the
// storage: they read with to_float and round once with from_float.
#pragma once

#include "platform.cuh"

struct f16 {
  u16 bits;
};
struct bf16 {
  u16 bits;
};

static constexpr float infinity = __builtin_bit_cast(float, 0x7F800000);

template <typename To, typename From> __device__ __forceinline__ To bits_as(From value) {
  static_assert(sizeof(To) == sizeof(From), "the same bits");
  To result;
  __builtin_memcpy(&result, &value, sizeof(To));
  return result;
}

__device__ __forceinline__ float not_a_number() { return bits_as<float>(0x7FC00000u); }

__device__ __forceinline__ float to_float(float value) { return value; }

__device__ __forceinline__ float to_float(bf16 value) { return bits_as<float>(u32(value.bits) << 16); }

__device__ __forceinline__ float to_float(f16 value) {
#if defined(TRANSFORMER_EMULATION)
  u32 sign = u32(value.bits & 0x8000) << 16, exponent = value.bits >> 10 & 31;
  u32 fraction = value.bits & 1023;
  if (exponent == 31) return bits_as<float>(sign | 0x7F800000 | fraction << 13);
  if (exponent != 0) return bits_as<float>(sign | (exponent + 112) << 23 | fraction << 13);
  float subnormal = float(fraction) * 0x1p-24f;
  return sign ? -subnormal : subnormal;
#else
  float result;
  asm("cvt.f32.f16 %0, %1;" : "=f"(result) : "h"(value.bits));
  return result;
#endif
}

template <typename T> __device__ __forceinline__ T from_float(float value);

template <> __device__ __forceinline__ float from_float<float>(float value) { return value; }

// To nearest, ties to even.
template <> __device__ __forceinline__ bf16 from_float<bf16>(float value) {
  u32 bits = bits_as<u32>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return {u16(bits >> 16 | 0x40)};
  return {u16((bits + 0x7FFF + (bits >> 16 & 1)) >> 16)};
}

template <> __device__ __forceinline__ f16 from_float<f16>(float value) {
#if defined(TRANSFORMER_EMULATION)
  u32 bits = bits_as<u32>(value), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  if (magnitude > 0x7F800000) return {u16(sign | 0x7E00)};
  if (magnitude >= 0x477FF000) return {u16(sign | 0x7C00)}; // 65520 and more
  if (magnitude >= 0x38800000) { // normal: drop 13 bits
    u32 rounded = magnitude + 0xFFF + (magnitude >> 13 & 1);
    return {u16(sign | (rounded - 0x38000000) >> 13)};
  }
  // Adding 2^-1 leaves the multiples of 2^-24 in the low bits, rounded to nearest even.
  float shifted = bits_as<float>(magnitude) + 0.5f;
  return {u16(sign | (bits_as<u32>(shifted) - 0x3F000000))};
#else
  f16 result;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(result.bits) : "f"(value));
  return result;
#endif
}

__device__ __forceinline__ float maximum(float a, float b) { return a > b ? a : b; }
__device__ __forceinline__ float minimum(float a, float b) { return a < b ? a : b; }

__device__ __forceinline__ float multiply_add(float a, float b, float c) {
  return __builtin_fmaf(a, b, c);
}

__device__ __forceinline__ float square_root(float value) {
#if defined(TRANSFORMER_EMULATION)
  return std::sqrt(value);
#else
  float result;
  asm("sqrt.rn.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
#endif
}

// 2^value by the special function unit: 2 ulp, results below 2^-126 are 0.
__device__ __forceinline__ float exp2_fast(float value) {
#if defined(TRANSFORMER_EMULATION)
  float result = std::exp2(value);
  return result < 0x1p-126f ? 0 : result;
#else
  float result;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
#endif
}

// e^value to 3 ulp. The product with log2(e) is split into a rounded part and its rounding error,
// which a plain exp2(value·log2 e) would have multiplied into the result.
__device__ __forceinline__ float exponential(float value) {
  const float log2_e = 1.44269504f, log2_e_rest = 1.92596300e-8f, ln_2 = 0.693147181f;
  float exponent = value * log2_e;
  float rest = multiply_add(value, log2_e, -exponent);
  rest = multiply_add(value, log2_e_rest, rest);
  float power = exp2_fast(exponent);
  // Beyond the range rest is NaN or meaningless, and power is 0 or infinite already.
  return power > 0 && power < infinity ? multiply_add(power, rest * ln_2, power) : power;
}

// log2 of a positive number by the special function unit, and ln.
__device__ __forceinline__ float log2_fast(float value) {
#if defined(TRANSFORMER_EMULATION)
  return std::log2(value);
#else
  float result;
  asm("lg2.approx.f32 %0, %1;" : "=f"(result) : "f"(value));
  return result;
#endif
}

// 16 bytes, moved by one instruction; the address must be a multiple of 16.
struct Words {
  u32 words[4];
};

__device__ __forceinline__ Words load_words(const void *address) {
  Words result;
#if defined(TRANSFORMER_EMULATION)
  if (reinterpret_cast<u64>(address) % 16) emulation::fail("a 16-byte load is not aligned");
  std::memcpy(&result, address, 16);
#else
  // Not left to the compiler, which splits a guarded load into four.
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(result.words[0]), "=r"(result.words[1]), "=r"(result.words[2]),
                 "=r"(result.words[3])
               : "l"(address)
               : "memory");
#endif
  return result;
}

__device__ __forceinline__ void store_words(void *address, Words value) {
#if defined(TRANSFORMER_EMULATION)
  if (reinterpret_cast<u64>(address) % 16) emulation::fail("a 16-byte store is not aligned");
  std::memcpy(address, &value, 16);
#else
  asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(value.words[0]),
               "r"(value.words[1]), "r"(value.words[2]), "r"(value.words[3])
               : "memory");
#endif
}

// 16 bytes that the compiler may load and store at once.
template <typename T> struct alignas(16) Chunk {
  T values[16 / sizeof(T)];
};

// How many elements 16 bytes hold.
template <typename T> static constexpr u32 chunk = 16 / sizeof(T);

// Elements [start, start + chunk) of a row as floats; zeros past its end. The row starts on 16
// bytes and holds whole chunks.
template <typename T>
__device__ __forceinline__ void load_chunk(
    const T *row, u32 start, u32 width, float (&values)[chunk<T>]) {
  Words words = {};
  if (start < width) words = load_words(row + start);
  T elements[chunk<T>];
  __builtin_memcpy(elements, &words, 16);
#pragma unroll
  for (u32 i = 0; i < chunk<T>; i++) values[i] = to_float(elements[i]);
}

template <typename T>
__device__ __forceinline__ void store_chunk(
    T *row, u32 start, u32 width, const float (&values)[chunk<T>]) {
  T elements[chunk<T>];
#pragma unroll
  for (u32 i = 0; i < chunk<T>; i++) elements[i] = from_float<T>(values[i]);
  Words words;
  __builtin_memcpy(&words, elements, 16);
  if (start < width) store_words(row + start, words);
}
