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

struct ActivationCall {
  const void *input, *output_gradient; // no gradient: forward
  void *result;
  u64 length, chunks;
  Activation activation;
};

template <typename T, Activation F>
__device__ __forceinline__ void forward(const ActivationCall &p) {
  map(static_cast<const T *>(p.input), static_cast<T *>(p.result), p.length, p.chunks,
      [](float x) { return activate(F, x); });
}

template <typename T, Activation F>
__device__ __forceinline__ void backward(const ActivationCall &p) {
  map(static_cast<const T *>(p.input), static_cast<const T *>(p.output_gradient),
      static_cast<T *>(p.result), p.length, p.chunks,
      [](float x, float gradient) {
        float value;
        return gradient * activation_derivative(F, x, value);
      });
}

template <typename T> __device__ __forceinline__ void activation_forward(const ActivationCall &p) {
  switch (p.activation) {
  case Activation::relu: return forward<T, Activation::relu>(p);
  case Activation::gelu: return forward<T, Activation::gelu>(p);
  case Activation::gelu_tanh: return forward<T, Activation::gelu_tanh>(p);
  case Activation::tanh: return forward<T, Activation::tanh>(p);
  case Activation::silu: return forward<T, Activation::silu>(p);
  default: return forward<T, Activation::none>(p);
  }
}

template <typename T> __device__ __forceinline__ void activation_backward(const ActivationCall &p) {
  switch (p.activation) {
  case Activation::relu: return backward<T, Activation::relu>(p);
  case Activation::gelu: return backward<T, Activation::gelu>(p);
  case Activation::gelu_tanh: return backward<T, Activation::gelu_tanh>(p);
  case Activation::tanh: return backward<T, Activation::tanh>(p);
  case Activation::silu: return backward<T, Activation::silu>(p);
  default: return backward<T, Activation::none>(p);
  }
}

extern "C" __global__ void __launch_bounds__(256)
activation_forward_f32(ARGUMENT(ActivationCall, p)) {
  activation_forward<float>(p);
}
extern "C" __global__ void __launch_bounds__(256)
activation_forward_f16(ARGUMENT(ActivationCall, p)) {
  activation_forward<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256)
activation_forward_bf16(ARGUMENT(ActivationCall, p)) {
  activation_forward<bf16>(p);
}

extern "C" __global__ void __launch_bounds__(256)
activation_backward_f32(ARGUMENT(ActivationCall, p)) {
  activation_backward<float>(p);
}
extern "C" __global__ void __launch_bounds__(256)
activation_backward_f16(ARGUMENT(ActivationCall, p)) {
  activation_backward<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256)
activation_backward_bf16(ARGUMENT(ActivationCall, p)) {
  activation_backward<bf16>(p);
}
