// output[i] = f(input[i]); input_gradient[i] = output_gradient[i]·f′(input[i]).
//
// Shapes: [length] each.
// Work: a thread takes 16 bytes at a time; elements behind the last whole chunk, or all where a
//   tensor starts off 16 bytes, one by one. f is the same for all threads.
// Registers: one or two chunks. Shared: none.
// Bytes: operands read once, result written once: bound by memory.
// Numerics: float, one rounding on writing; ../include/activation.cuh tells the functions.
// Preconditions: the result may lie over any operand.
// Source: Hendrycks, Gimpel 2016 (GELU).
#include "../include/activation.cuh"
#include "../include/elementwise.cuh"

struct Activation {
  const void *input, *output_gradient; // no gradient: forward
  void *result;
  u64 length, chunks;
  i32 activation;
};

template <typename T, i32 F> __device__ __forceinline__ void forward(const Activation &p) {
  map(static_cast<const T *>(p.input), static_cast<T *>(p.result), p.length, p.chunks,
      [](float x) { return activate(F, x); });
}

template <typename T, i32 F> __device__ __forceinline__ void backward(const Activation &p) {
  map(static_cast<const T *>(p.input), static_cast<const T *>(p.output_gradient),
      static_cast<T *>(p.result), p.length, p.chunks,
      [](float x, float gradient) { return gradient * activation_derivative(F, x); });
}

template <typename T> __device__ __forceinline__ void activation_forward(const Activation &p) {
  switch (p.activation) {
  case activation_relu: return forward<T, activation_relu>(p);
  case activation_gelu: return forward<T, activation_gelu>(p);
  case activation_gelu_tanh: return forward<T, activation_gelu_tanh>(p);
  default: return forward<T, activation_none>(p);
  }
}

template <typename T> __device__ __forceinline__ void activation_backward(const Activation &p) {
  switch (p.activation) {
  case activation_relu: return backward<T, activation_relu>(p);
  case activation_gelu: return backward<T, activation_gelu>(p);
  case activation_gelu_tanh: return backward<T, activation_gelu_tanh>(p);
  default: return backward<T, activation_none>(p);
  }
}

extern "C" __global__ void __launch_bounds__(256) activation_forward_f32(ARGUMENT(Activation, p)) {
  activation_forward<float>(p);
}
extern "C" __global__ void __launch_bounds__(256) activation_forward_f16(ARGUMENT(Activation, p)) {
  activation_forward<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256) activation_forward_bf16(ARGUMENT(Activation, p)) {
  activation_forward<bf16>(p);
}

extern "C" __global__ void __launch_bounds__(256) activation_backward_f32(ARGUMENT(Activation, p)) {
  activation_backward<float>(p);
}
extern "C" __global__ void __launch_bounds__(256) activation_backward_f16(ARGUMENT(Activation, p)) {
  activation_backward<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256)
activation_backward_bf16(ARGUMENT(Activation, p)) {
  activation_backward<bf16>(p);
}
