// result = L·s·g: L = Σ losses (1 without losses); s = 1/Σ weights[label] over the labels that
// count for the mean (0 where they weigh nothing), 1 for the sum; g the gradient that arrives.
// weight_total = Σ weights over the classes.
//
// Shapes: labels, losses [count]; weights [classes] in T, ones where absent; result, loss_gradient
//   and weight_total [1].
// Work: one block of 1024 threads.
// Registers: three sums. Shared: 8 KiB.
// Bytes: losses, labels and the labels' weights read once.
// Numerics: double, rounded once: a thread's own elements, then a tree. A label that is neither
//   a class nor ignored makes the result NaN.
// Preconditions: losses of ignored labels are 0.
#include "../include/double_sum.cuh"

struct LossReduction {
  const i32 *labels;
  const void *weights;
  const float *losses, *loss_gradient;
  float *result, *weight_total;
  u64 count;
  i32 classes, ignored, ignores, mean;
};

template <typename T> __device__ __forceinline__ void loss_reduction(
    const LossReduction &p, double *scratch) {
  constexpr u32 threads = 1024;
  const T *weights = static_cast<const T *>(p.weights);
  double counted = 0, losses = 0, total = 0;
  for (u64 i = threadIdx.x; i < p.count; i += threads) {
    i32 label = p.labels[i];
    if (p.losses) losses += p.losses[i];
    if (p.ignores && label == p.ignored) continue;
    bool valid = u32(label) < u32(p.classes);
    counted += !valid ? not_a_number() : weights ? to_float(weights[label]) : 1;
  }
  if (p.weight_total && weights)
    for (u32 i = threadIdx.x; i < u32(p.classes); i += threads) total += to_float(weights[i]);
  counted = block_sum<threads>(counted, scratch);
  losses = block_sum<threads>(losses, scratch);
  total = block_sum<threads>(total, scratch);
  if (threadIdx.x != 0) return;
  double scale = p.mean ? counted == 0 ? 0 : 1 / counted : 1;
  if (p.losses) scale *= losses;
  if (p.loss_gradient) scale *= p.loss_gradient[0];
  p.result[0] = float(scale);
  if (p.weight_total) p.weight_total[0] = weights ? float(total) : float(p.classes);
}

extern "C" __global__ void __launch_bounds__(1024) loss_reduction_f32(ARGUMENT(LossReduction, p)) {
  SHARED_MEMORY(shared);
  loss_reduction<float>(p, reinterpret_cast<double *>(shared));
}
extern "C" __global__ void __launch_bounds__(1024) loss_reduction_f16(ARGUMENT(LossReduction, p)) {
  SHARED_MEMORY(shared);
  loss_reduction<f16>(p, reinterpret_cast<double *>(shared));
}
extern "C" __global__ void __launch_bounds__(1024) loss_reduction_bf16(ARGUMENT(LossReduction, p)) {
  SHARED_MEMORY(shared);
  loss_reduction<bf16>(p, reinterpret_cast<double *>(shared));
}
