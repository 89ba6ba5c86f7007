// sum = input + residual; output = sum·inverse_rms ⊙ weight, inverse_rms = 1/√(avg(sum²) + ε),
// row by row.
//
// Shapes, work, registers, shared memory and bytes as in ../LayerNorm/layer_norm.cu, without mean
//   and bias.
// Numerics: float accumulators: a thread's own elements, a tree over the warp, the warps in order.
//   Squares must stay below 3·10³⁸.
// Preconditions: width ≥ 1. Outputs may be the inputs themselves.
// Source: Zhang, Sennrich 2019.
#include "../include/norm_forward.cuh"

extern "C" __global__ void __launch_bounds__(128)
rms_norm_forward_f32_warp_per_row(ARGUMENT(NormForward, p)) {
  norm_forward<float, 32, 8, false>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
rms_norm_forward_f32_warp_strided(ARGUMENT(NormForward, p)) {
  norm_forward_strided<float, 32, false>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_forward_f32_block_per_row(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward<float, 256, 8, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_forward_f32_block_strided(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward_strided<float, 256, false>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
rms_norm_forward_f16_warp_per_row(ARGUMENT(NormForward, p)) {
  norm_forward<f16, 32, 8, false>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
rms_norm_forward_f16_warp_strided(ARGUMENT(NormForward, p)) {
  norm_forward_strided<f16, 32, false>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_forward_f16_block_per_row(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward<f16, 256, 8, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_forward_f16_block_strided(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward_strided<f16, 256, false>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
rms_norm_forward_bf16_warp_per_row(ARGUMENT(NormForward, p)) {
  norm_forward<bf16, 32, 8, false>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
rms_norm_forward_bf16_warp_strided(ARGUMENT(NormForward, p)) {
  norm_forward_strided<bf16, 32, false>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_forward_bf16_block_per_row(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward<bf16, 256, 8, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_forward_bf16_block_strided(ARGUMENT(NormForward, p)) {
  SHARED_MEMORY(shared);
  norm_forward_strided<bf16, 256, false>(p, reinterpret_cast<float *>(shared));
}
