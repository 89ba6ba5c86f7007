// Activations and their derivatives in float: the functions, the rational approximation of the
// normal distribution function and the limits of SimdMath.Activation.cs, so that the CPU and the GPU
// agree to some ulp.
#pragma once

#include "numbers.cuh"

// The values of Transformer.Ops.Activation.
enum class Activation : i32 { none, relu, gelu, gelu_tanh, tanh, silu };

// a / b to 2 ulp, for |b| from 2^-126 to 2^126.
__device__ __forceinline__ float quotient(float a, float b) {
#if defined(TRANSFORMER_EMULATION)
  return a / b;
#else
  float result;
  asm("div.full.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#endif
}

// Φ(x): with a = |x|, Φ(−a) = e^(−a²/2)·P(a)/Q(a), and Φ(a) = 1 − Φ(−a). `magnitude` is a, at most
// 13.3, where Φ(−a) is 0; `bell` is e^(−a²/2).
__device__ __forceinline__ float normal_cdf(float x, float &magnitude, float &bell) {
  float a = __builtin_fabsf(x) > 13.3f ? 13.3f : __builtin_fabsf(x); // NaN stays
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
  q = multiply_add(q, a, 1.0f);
  float tail = quotient(bell * p, q);
  return x < 0 ? tail : 1 - tail;
}

// σ(2u) = 1/(1 + e^(−2u)), u = √(2/π)(x + 0.044715x³), and 0 below −10. `power` is e^(−2u).
__device__ __forceinline__ float gelu_gate(float x, float &power) {
  const float linear = -1.595769122f, cubic = -0.0713548163f; // −2√(2/π), times 0.044715
  float near = x > 10 ? 10 : x < -10 ? -10 : x; // NaN stays
  power = exponential(near * multiply_add(near * near, cubic, linear));
  return x < -10 ? 0 : quotient(1, 1 + power);
}

// tanh x = ±(1 − e)/(1 + e), e = e^(−2|x|), and below 0.3, where 1 − e would cancel, the odd series
// up to x⁹. `power` is e.
__device__ __forceinline__ float hyperbolic_tangent(float x, float &power) {
  float magnitude = __builtin_fabsf(x), square = x * x;
  power = exponential(-2 * magnitude);
  float p = multiply_add(square, 62.0f / 2835, -17.0f / 315);
  p = multiply_add(p, square, 2.0f / 15);
  p = multiply_add(p, square, -1.0f / 3);
  float far = quotient(1 - power, 1 + power);
  return magnitude < 0.3f ? multiply_add(p * square, x, x) : x < 0 ? -far : far;
}

// σ(x): with e = e^(−|x|), 1/(1 + e) or e/(1 + e). `bell` is σ(x)·(1 − σ(x)).
__device__ __forceinline__ float sigmoid(float x, float &bell) {
  float power = exponential(-__builtin_fabsf(x));
  float near = quotient(1, 1 + power), far = power * near;
  bell = far * near;
  return x < 0 ? far : near;
}

// f(x).
__device__ __forceinline__ float activate(Activation activation, float x) {
  float a, b;
  switch (activation) {
  case Activation::relu: return x <= 0 ? 0 : x;
  case Activation::gelu: return x * normal_cdf(x, a, b);
  case Activation::gelu_tanh: return x * gelu_gate(x, a);
  case Activation::tanh: return hyperbolic_tangent(x, a);
  case Activation::silu: return x * sigmoid(x, a);
  default: return x;
  }
}

// f′(x), and f(x), which shares its costly part.
__device__ __forceinline__ float activation_derivative(
    Activation activation, float x, float &value) {
  switch (activation) {
  case Activation::relu: {
    value = x <= 0 ? 0 : x;
    return x <= 0 ? 0 : 1;
  }
  case Activation::gelu: {
    float magnitude, bell, cdf = normal_cdf(x, magnitude, bell);
    value = x * cdf;
    // The limited magnitude keeps ∞·0 away.
    return multiply_add(x < 0 ? -magnitude : magnitude, bell * 0.398942280f, cdf);
  }
  case Activation::gelu_tanh: {
    float power, gate = gelu_gate(x, power);
    value = x * gate;
    float near = x > 10 ? 10 : x < -10 ? -10 : x;
    float slope = multiply_add(near * near, 0.2140644488f, 1.595769122f);
    return multiply_add(near * slope, power * gate * gate, gate);
  }
  case Activation::tanh: {
    float power;
    value = hyperbolic_tangent(x, power);
    return quotient(4 * power, (1 + power) * (1 + power));
  }
  case Activation::silu: {
    float bell, gate = sigmoid(x, bell);
    value = x * gate;
    float near = x > 100 ? 100 : x < -100 ? -100 : x; // where the bell is 0
    return multiply_add(near, bell, gate);
  }
  default: value = x; return 1;
  }
}
