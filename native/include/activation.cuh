// Activations and their derivatives in float, as src/Transformer/Numerics/Simd does them.
#pragma once

#include "numbers.cuh"

// Activation of src/Transformer/Ops/Activation.
enum : i32 { activation_none, activation_relu, activation_gelu, activation_gelu_tanh };

__device__ __forceinline__ float absolute(float x) {
  return bits_as<float>(bits_as<u32>(x) & 0x7FFFFFFF);
}
__device__ __forceinline__ float copy_sign(float size, float sign) {
  return bits_as<float>((bits_as<u32>(size) & 0x7FFFFFFF) | (bits_as<u32>(sign) & 0x80000000));
}

// Φ(x): with a = |x| up to 13.3, Φ(−a) = e^(−a²/2)·P(a)/Q(a), and Φ(a) = 1 − Φ(−a).
// `bell` is e^(−a²/2).
__device__ __forceinline__ float normal_cdf(float x, float &magnitude, float &bell) {
  float a = absolute(x);
  a = a > 13.3f ? 13.3f : a; // NaN stays
  magnitude = a;
  bell = exponential(-0.5f * a * a);
  float p = multiply_add(a, 4.012042555e-3f, 3.992891052e-2f);
  p = multiply_add(p, a, 0.1811421369f);
  p = multiply_add(p, a, 0.4354628365f);
  p = multiply_add(p, a, 0.5000000025f);
  float q = multiply_add(a, 1.005655392e-2f, 0.1000944019f);
  q = multiply_add(q, a, 0.4639458728f);
  q = multiply_add(q, a, 1.193798392f);
  q = multiply_add(q, a, 1.668810588f);
  q = multiply_add(q, a, 1);
  float tail = bell * p / q;
  return x < 0 ? tail : 1 - tail;
}

static constexpr float root_2_over_pi = 0.797884561f, gelu_cubic = 0.044715f;

// σ(2u) with u = √(2/π)(x + 0.044715x³), and e^(−2u); 0 below −10, where it is less than 2^-126.
__device__ __forceinline__ float gelu_gate(float raw, float &power) {
  float x = raw > 10 ? 10 : raw < -10 ? -10 : raw;
  float slope = multiply_add(x * x, -2 * root_2_over_pi * gelu_cubic, -2 * root_2_over_pi);
  power = exponential(x * slope);
  return raw < -10 ? 0 : 1 / (1 + power);
}

// f(x).
__device__ __forceinline__ float activate(i32 activation, float x) {
  float a, b;
  switch (activation) {
  case activation_relu: return x <= 0 ? 0 : x;
  case activation_gelu: return x * normal_cdf(x, a, b);
  case activation_gelu_tanh: return x * gelu_gate(x, a);
  default: return x;
  }
}

// f′(x).
__device__ __forceinline__ float activation_derivative(i32 activation, float x) {
  switch (activation) {
  case activation_relu: return x <= 0 ? 0 : 1;
  case activation_gelu: {
    float magnitude, bell;
    float cdf = normal_cdf(x, magnitude, bell);
    // The limited magnitude keeps ∞·0 away. 1/√(2π) is the density's factor.
    return multiply_add(copy_sign(magnitude, x), bell * 0.398942280f, cdf);
  }
  case activation_gelu_tanh: {
    float power, gate = gelu_gate(x, power);
    // Beyond 10 the gate is 0 or 1 to the last bit; the limit keeps ∞·0 away.
    float near = x > 10 ? 10 : x < -10 ? -10 : x;
    float slope = multiply_add(
        near * near, 6 * root_2_over_pi * gelu_cubic, 2 * root_2_over_pi);
    return multiply_add(near * slope, power * gate * gate, gate);
  }
  default: return 1;
  }
}
