// With g = gradient·gradient_scale: m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²;
// parameter ← parameter·(1 − η·λ) − η/(1 − β₁ᵗ)·m / (√(v/(1 − β₂ᵗ)) + ε).
//
// Shapes: [length] each; moments in float whatever the parameter's type; gradient_scale [1] float.
// Work: a thread takes four elements at a time; the last few, or all where a tensor starts off its
//   vector, one by one.
// Registers: 16 numbers. Shared: none.
// Bytes: parameter, m and v read and written once, gradient read once, in one pass: bound by
//   memory.
// Numerics: float; the host makes the coefficients in double. The new moments enter the step
//   before they are rounded for storage.
// Preconditions: step ≥ 1.
// Source: Loshchilov, Hutter 2019, algorithm 2, in PyTorch's form.
#include "../include/elementwise.cuh"

struct AdamW {
  void *parameter;
  const void *gradient;
  float *first, *second;
  const float *gradient_scale;
  u64 length, vectors; // of four elements
  float beta1, rest1, beta2, rest2; // rest = 1 − beta
  float keep, rate, root_correction, epsilon; // 1 − η·λ; η/(1 − β₁ᵗ); √(1 − β₂ᵗ)
};

// Four elements: 16 bytes of floats, 8 of the 16-bit types.
template <typename T> struct alignas(4 * sizeof(T)) Four {
  T values[4];
};

template <typename T> __device__ __forceinline__ void adamw(const AdamW &p) {
  T *parameter = static_cast<T *>(p.parameter);
  const T *gradient = static_cast<const T *>(p.gradient);
  float scale = p.gradient_scale ? p.gradient_scale[0] : 1;
  auto update = [&](float g, float &m, float &v, float &x) {
    g *= scale;
    m = multiply_add(p.beta1, m, p.rest1 * g);
    v = multiply_add(p.beta2, v, p.rest2 * g * g);
    float root = square_root(v) / p.root_correction + p.epsilon;
    x = multiply_add(p.keep, x, -p.rate * m / root);
  };
  for (u64 k = launch_rank(); k < p.vectors; k += launch_threads()) {
    Four<T> x = reinterpret_cast<Four<T> *>(parameter)[k];
    Four<T> g = reinterpret_cast<const Four<T> *>(gradient)[k];
    float m[4], v[4];
    load_chunk(p.first + 4 * k, 0, 4, m);
    load_chunk(p.second + 4 * k, 0, 4, v);
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
      float value = to_float(x.values[i]);
      update(to_float(g.values[i]), m[i], v[i], value);
      x.values[i] = from_float<T>(value);
    }
    reinterpret_cast<Four<T> *>(parameter)[k] = x;
    store_chunk(p.first + 4 * k, 0, 4, m);
    store_chunk(p.second + 4 * k, 0, 4, v);
  }
  for (u64 i = 4 * p.vectors + launch_rank(); i < p.length; i += launch_threads()) {
    float value = to_float(parameter[i]), m = p.first[i], v = p.second[i];
    update(to_float(gradient[i]), m, v, value);
    parameter[i] = from_float<T>(value);
    p.first[i] = m;
    p.second[i] = v;
  }
}

extern "C" __global__ void __launch_bounds__(256) adamw_f32(ARGUMENT(AdamW, p)) {
  adamw<float>(p);
}
extern "C" __global__ void __launch_bounds__(256) adamw_f16(ARGUMENT(AdamW, p)) {
  adamw<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256) adamw_bf16(ARGUMENT(AdamW, p)) {
  adamw<bf16>(p);
}
