// sum = input + residual; output = (sum − mean)·inverse_std ⊙ weight + bias, row by row.
//
// Shapes: input, residual, sum, output [rows, width]; weight, bias [width]; mean, inverse_std
//   [rows] in float whatever the element type. Contiguous.
// Work: a row belongs to a warp or to a block of 256 threads. Rows of whole 16-byte chunks stay in
//   registers: a thread holds every 32nd or 256th chunk, Chunks of them. `strided` takes rows of
//   any width and alignment and reads input and residual three times, from L1 or L2.
// Registers: the row's chunks as floats, indexed by unrolled loops only. Shared: 32 bytes a block.
// Bytes: input and residual read once, sum and output written once: bound by memory.
// Numerics: the row is shifted by its first element, which keeps the mean's digits where it is
//   large; then the mean, then the squared distance from it. Float accumulators: a thread's own
//   elements, a tree over the warp, the warps in order.
// Preconditions: width ≥ 1. Outputs may be the inputs themselves.
// Source: Ba, Kiros, Hinton 2016.
#include "../include/norm_forward.cuh"

extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_f32_warp_per_row(ARGUMENT(NormForward, p)) {
  norm_forward<float, 32, 8, true>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_f32_warp_strided(ARGUMENT(NormForward, p)) {
  norm_forward_strided<float, 32, true>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_f32_block_per_row(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward<float, 256, 8, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_f32_block_strided(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward_strided<float, 256, true>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_f16_warp_per_row(ARGUMENT(NormForward, p)) {
  norm_forward<f16, 32, 8, true>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_f16_warp_strided(ARGUMENT(NormForward, p)) {
  norm_forward_strided<f16, 32, true>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_f16_block_per_row(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward<f16, 256, 8, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_f16_block_strided(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward_strided<f16, 256, true>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_bf16_warp_per_row(ARGUMENT(NormForward, p)) {
  norm_forward<bf16, 32, 8, true>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
layer_norm_forward_bf16_warp_strided(ARGUMENT(NormForward, p)) {
  norm_forward_strided<bf16, 32, true>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_bf16_block_per_row(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward<bf16, 256, 8, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_forward_bf16_block_strided(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward_strided<bf16, 256, true>(p, reinterpret_cast<float *>(shared));
}
