// What becomes of a product's elements: bias, activation, the activation's derivative, or addition
// to what the output holds.
#pragma once

#include "../include/activation.cuh"
#include "../include/tile.cuh"

// Values of Transformer.Cuda.Linear.Epilogue.
enum class Epilogue : i32 {
  activate,   // x = product + bias; second = x; output = f(x)
  derivative, // output = product·f′(kept), second = f(kept); or output = product, kept being null
  accumulate, // output += product
};

// The argument of a product and of what follows it. Absent tensors are null.
struct LinearProduct {
  const void *a, *b;     // the operands (product.cuh)
  const void *bias;      // [n]
  const void *kept;      // [m, n]: pre-activation; null: f′ = 1
  void *output, *second; // [m, n]
  float *partial;        // [splits, m, n] where k is split, null where it is not
  i32 m, n, k;
  i32 split;             // of k: that much a block, a multiple of the step
  i32 splits;
  i32 a_whole, b_whole;  // the operand's rows start on 16 bytes
  i32 whole;             // rows of all [m, n] tensors, and bias, start on 4 elements
  Epilogue epilogue;     // of linear_combine; the products have each their own
  Activation activation;
};

// 8 bytes, moved by one instruction; the address is a multiple of 8.
struct Pairs {
  u32 words[2];
};

__device__ __forceinline__ Pairs load_pairs(const void *address) {
  Pairs result;
#if defined(TRANSFORMER_EMULATION)
  if (reinterpret_cast<u64>(address) % 8) emulation::fail("an 8-byte load is not aligned");
  std::memcpy(&result, address, 8);
#else
  asm volatile("ld.global.v2.u32 {%0, %1}, [%2];"
               : "=r"(result.words[0]), "=r"(result.words[1])
               : "l"(address)
               : "memory");
#endif
  return result;
}

__device__ __forceinline__ void store_pairs(void *address, Pairs value) {
#if defined(TRANSFORMER_EMULATION)
  if (reinterpret_cast<u64>(address) % 8) emulation::fail("an 8-byte store is not aligned");
  std::memcpy(address, &value, 8);
#else
  asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(address), "r"(value.words[0]),
               "r"(value.words[1])
               : "memory");
#endif
}

// 4 elements at once where `whole`, else the first `count` one by one.
template <typename T>
__device__ __forceinline__ void load_four(
    float (&values)[4], const T *from, bool whole, u32 count) {
  if (!whole) {
#pragma unroll
    for (u32 i = 0; i < 4; i++) values[i] = i < count ? to_float(from[i]) : 0;
  } else if constexpr (sizeof(T) == 4) {
    load_chunk(from, 0, 4, values);
  } else {
    Pairs pairs = load_pairs(from);
#pragma unroll
    for (u32 i = 0; i < 4; i++)
      values[i] = to_float(T{u16(pairs.words[i / 2] >> (i % 2 * 16))});
  }
}

template <typename T>
__device__ __forceinline__ void store_four(
    T *to, const float (&values)[4], bool whole, u32 count) {
  if (!whole) {
#pragma unroll
    for (u32 i = 0; i < 4; i++)
      if (i < count) to[i] = from_float<T>(values[i]);
  } else if constexpr (sizeof(T) == 4) {
    store_chunk(to, 0, 4, values);
  } else {
    store_pairs(to, {{as_pair<T>(values[0], values[1]), as_pair<T>(values[2], values[3])}});
  }
}

// Elements [at, at + 4) of the product, `count` of them within its row, to the output; `whole` as
// above.
template <typename T, Epilogue Kind>
__device__ __forceinline__ void finish(
    const LinearProduct &p, float (&x)[4], const float (&bias)[4], u64 at, bool whole,
    u32 count) {
  T *output = static_cast<T *>(p.output) + at;
  T *second = p.second ? static_cast<T *>(p.second) + at : nullptr;
  if constexpr (Kind == Epilogue::accumulate) {
    float before[4];
    load_four(before, output, whole, count);
#pragma unroll
    for (u32 i = 0; i < 4; i++) x[i] += before[i];
  } else if constexpr (Kind == Epilogue::activate) {
#pragma unroll
    for (u32 i = 0; i < 4; i++) x[i] += bias[i];
    if (second) store_four(second, x, whole, count);
    if (p.activation != Activation::none) {
#pragma unroll
      for (u32 i = 0; i < 4; i++) x[i] = activate(p.activation, x[i]);
    }
  } else if (p.kept) {
    float kept[4], value[4];
    load_four(kept, static_cast<const T *>(p.kept) + at, whole, count);
#pragma unroll
    for (u32 i = 0; i < 4; i++) x[i] *= activation_derivative(p.activation, kept[i], value[i]);
    if (second) store_four(second, value, whole, count);
  }
  store_four(output, x, whole, count);
}
