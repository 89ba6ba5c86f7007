// With x = sum·inverse_rms and g = output_gradient ⊙ weight, row by row:
// input_gradient = inverse_rms·(g − x·avg(g ⊙ x)) + sum_gradient;
// weight_gradient += Σ output_gradient ⊙ x over the rows.
//
// Shapes, work, registers, shared memory, bytes and numerics as in
//   ../LayerNorm/layer_norm_backward.cu, without mean and bias.
// Preconditions: width ≥ 1. input_gradient may be output_gradient or sum_gradient itself.
// Source: the derivative of Zhang, Sennrich 2019.
#include "../include/norm_backward.cuh"

extern "C" __global__ void __launch_bounds__(128)
rms_norm_backward_f32_warp_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<float, 32, 4, 8, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_backward_f32_block_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<float, 256, 8, 8, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_backward_f32_strided(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_strided<float, 256, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_backward_f32_columns(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_columns<float, false>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
rms_norm_backward_f16_warp_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<f16, 32, 4, 4, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_backward_f16_block_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<f16, 256, 8, 4, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_backward_f16_strided(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_strided<f16, 256, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_backward_f16_columns(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_columns<f16, false>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
rms_norm_backward_bf16_warp_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<bf16, 32, 4, 4, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_backward_bf16_block_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<bf16, 256, 8, 4, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_backward_bf16_strided(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_strided<bf16, 256, false>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
rms_norm_backward_bf16_columns(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_columns<bf16, false>(p, reinterpret_cast<float *>(shared));
}
