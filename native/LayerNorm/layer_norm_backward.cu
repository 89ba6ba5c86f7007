// With x = (sum − mean)·inverse_std and g = output_gradient ⊙ weight, row by row:
// input_gradient = inverse_std·(g − avg(g) − x·avg(g ⊙ x)) + sum_gradient;
// weight_gradient += Σ output_gradient ⊙ x, bias_gradient += Σ output_gradient over the rows.
//
// Shapes: sum, output_gradient, sum_gradient, input_gradient [rows, width]; weight [width]; mean,
//   inverse_std [rows] in float whatever the element type; partial sums [blocks, width] in float.
//   Contiguous.
// Work: a warp (4 a block) or a block of 256 threads takes every so many-th row and holds its
//   chunks and the sums over its rows in registers; warps of a block add up at the end. The
//   partial sums of the blocks are added by PartialSums. Rows that are not whole aligned chunks,
//   or too wide: `columns` sums the parameters' gradients by 32 columns and a part of the rows,
//   then `strided` makes the input's gradient, a row a block.
// Registers: 32 elements of x, g and both sums a thread. Shared: a row of floats for `warp`
//   (width ≤ 1024), 64 bytes for `block`, 2 KiB for `columns`.
// Bytes: sum, both gradients read once, the input's gradient written once; partial sums of at
//   most 512 blocks written and read. `columns` reads sum and output_gradient once more.
// Numerics: float accumulators; each sum in an order that shapes alone decide.
// Preconditions: width ≥ 1. input_gradient may be output_gradient or sum_gradient itself.
// Source: the derivative of Ba, Kiros, Hinton 2016.
#include "../include/norm_backward.cuh"

extern "C" __global__ void __launch_bounds__(128)
layer_norm_backward_f32_warp_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<float, 32, 4, 8, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_backward_f32_block_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<float, 256, 8, 8, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_backward_f32_strided(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_strided<float, 256, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_backward_f32_columns(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_columns<float, true>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
layer_norm_backward_f16_warp_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<f16, 32, 4, 4, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_backward_f16_block_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<f16, 256, 8, 4, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_backward_f16_strided(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_strided<f16, 256, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_backward_f16_columns(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_columns<f16, true>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
layer_norm_backward_bf16_warp_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<bf16, 32, 4, 4, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_backward_bf16_block_per_row(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward<bf16, 256, 8, 4, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_backward_bf16_strided(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_strided<bf16, 256, true>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(256)
layer_norm_backward_bf16_columns(ARGUMENT(NormBackward, p)) {
  SHARED_MEMORY(shared);
  norm_backward_columns<bf16, true>(p, reinterpret_cast<float *>(shared));
}
