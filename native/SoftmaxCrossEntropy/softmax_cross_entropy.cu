// With lse = m + ln Σ e^(x − m) of a row's logits x, n[c] = lse − x[c], class weights w and
// smoothing ε: loss = (1 − ε)·w[label]·n[label] + ε/classes·Σ w[c]·n[c], 0 where the label is
// ignored. Backward: gradient[c] = s·(((1 − ε)·w[label] + ε/classes·Σ w)·e^(x[c] − lse) −
// (1 − ε)·w[label]·[c = label] − ε/classes·w[c]), s from ../LossReduction.
//
// Shapes: logits, gradient [rows, classes], contiguous; w [classes]; labels, losses, lse [rows],
//   the last two in float.
// Work: a warp (4 a block) a row, or a block of 512 threads where rows are long; one pass. Rows
//   that start off 16 bytes, as every second one of an odd vocabulary, move whole chunks between
//   a few single elements.
// Registers: a chunk and four running sums. Shared: 64 bytes a block.
// Bytes: forward reads the logits once, backward reads and writes them once.
// Numerics: float; the running sums are moved where the maximum grows, so that Σ w[c]·(m − x[c])
//   has no large terms. A label that is neither a class nor ignored gives NaN: its row's loss,
//   the loss and its row of the gradient; nothing is read out of bounds.
// Preconditions: classes ≥ 1. The gradient may be the logits.
// Source: Szegedy et al. 2016, §7 (smoothing); Milakov, Gimelshein 2018 (online normaliser).
#include "../include/rows.cuh"
#include "../include/softmax.cuh"

struct SoftmaxCrossEntropyForward {
  const void *logits, *weights;
  const i32 *labels;
  float *losses, *log_sum_exp;
  i32 rows, classes, ignored, ignores;
  float smoothing;
};

struct SoftmaxCrossEntropyBackward {
  const void *logits, *weights;
  const i32 *labels;
  const float *log_sum_exp, *scale, *weight_total;
  void *gradient;
  i32 rows, classes, ignored, ignores;
  float smoothing;
};

// Beside maximum and sum: Σ w and Σ w·(base − x).
struct SmoothedSum {
  LineSum line;
  float weight = 0, distance = 0;

  // Distances from another base; 0 is the base where there is no maximum yet.
  __device__ __forceinline__ void move(float from, float to) {
    if (to != from && weight != 0) distance = multiply_add(to - from, weight, distance);
  }

  template <typename T, u32 Count>
  __device__ __forceinline__ void add(const float (&x)[Count], const T *weights) {
    float from = softmax_base(line.maximum);
    line.add(x);
    float base = softmax_base(line.maximum);
    move(from, base);
#pragma unroll
    for (u32 i = 0; i < Count; i++) {
      float w = weights ? to_float(weights[i]) : 1;
      weight += w;
      distance = multiply_add(w, base - x[i], distance);
    }
  }

  template <u32 Threads> __device__ __forceinline__ void merge(float *scratch) {
    float from = softmax_base(line.maximum);
    line.merge<Threads>(scratch);
    move(from, softmax_base(line.maximum));
    weight = group_sum<Threads>(weight, scratch);
    distance = group_sum<Threads>(distance, scratch);
  }
};

template <typename T, u32 Threads>
__device__ __forceinline__ void softmax_cross_entropy_forward(
    const SoftmaxCrossEntropyForward &p, float *scratch) {
  u32 row = (blockIdx.x * blockDim.x + threadIdx.x) / Threads;
  if (row >= u32(p.rows)) return; // whole groups only
  u32 rank = threadIdx.x % Threads, classes = u32(p.classes);
  const T *logits = static_cast<const T *>(p.logits) + u64(row) * classes;
  const T *weights = static_cast<const T *>(p.weights);
  SmoothedSum all;
  if (p.smoothing == 0) {
    visit_row(logits, classes, rank, Threads, [&](u32, const auto &x) { all.line.add(x); });
    all.line.merge<Threads>(scratch);
  } else {
    visit_row(logits, classes, rank, Threads, [&](u32 start, const auto &x) {
      all.add(x, weights ? weights + start : nullptr);
    });
    all.merge<Threads>(scratch);
  }
  if (rank != 0) return;
  float log_sum = logarithm(all.line.sum), maximum = all.line.maximum;
  p.log_sum_exp[row] = maximum + log_sum;
  i32 label = p.labels[row];
  bool ignored = p.ignores && label == p.ignored;
  float loss = ignored ? 0 : not_a_number();
  if (!ignored && u32(label) < classes) {
    float weight = weights ? to_float(weights[label]) : 1;
    loss = (1 - p.smoothing) * weight * (maximum - to_float(logits[label]) + log_sum);
    if (p.smoothing != 0)
      loss += p.smoothing / float(classes) * multiply_add(all.weight, log_sum, all.distance);
  }
  p.losses[row] = loss;
}

template <typename T, u32 Threads>
__device__ __forceinline__ void softmax_cross_entropy_backward(
    const SoftmaxCrossEntropyBackward &p) {
  u32 row = (blockIdx.x * blockDim.x + threadIdx.x) / Threads;
  if (row >= u32(p.rows)) return;
  u32 rank = threadIdx.x % Threads, classes = u32(p.classes);
  const T *logits = static_cast<const T *>(p.logits) + u64(row) * classes;
  const T *weights = static_cast<const T *>(p.weights);
  T *gradient = static_cast<T *>(p.gradient) + u64(row) * classes;
  i32 label = p.labels[row];
  bool ignored = p.ignores && label == p.ignored, valid = u32(label) < classes;
  if (ignored || !valid) {
    float value = ignored ? 0 : not_a_number();
    map_row(logits, gradient, classes, rank, Threads, [=](u32, auto &x) {
#pragma unroll
      for (u32 i = 0; i < sizeof(x) / sizeof(float); i++) x[i] = value;
    });
    return;
  }
  float elsewhere = p.smoothing / float(classes), scale = p.scale[0];
  float at_label = (1 - p.smoothing) * (weights ? to_float(weights[label]) : 1);
  float factor = at_label + (weights ? elsewhere * p.weight_total[0] : p.smoothing);
  float log_sum_exp = p.log_sum_exp[row];
  map_row(logits, gradient, classes, rank, Threads, [&](u32 start, auto &x) {
#pragma unroll
    for (u32 i = 0; i < sizeof(x) / sizeof(float); i++) {
      float weight = weights && elsewhere != 0 ? to_float(weights[start + i]) : 1;
      float target = elsewhere * weight + (start + i == u32(label) ? at_label : 0);
      x[i] = scale * (factor * exponential(x[i] - log_sum_exp) - target);
    }
  });
}

extern "C" __global__ void __launch_bounds__(128)
softmax_cross_entropy_forward_f32_warp_per_row(ARGUMENT(SoftmaxCrossEntropyForward, p)) {
  softmax_cross_entropy_forward<float, 32>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
softmax_cross_entropy_forward_f16_warp_per_row(ARGUMENT(SoftmaxCrossEntropyForward, p)) {
  softmax_cross_entropy_forward<f16, 32>(p, nullptr);
}
extern "C" __global__ void __launch_bounds__(128)
softmax_cross_entropy_forward_bf16_warp_per_row(ARGUMENT(SoftmaxCrossEntropyForward, p)) {
  softmax_cross_entropy_forward<bf16, 32>(p, nullptr);
}

extern "C" __global__ void __launch_bounds__(512)
softmax_cross_entropy_forward_f32_block_per_row(ARGUMENT(SoftmaxCrossEntropyForward, p)) {
  SHARED_MEMORY(shared);
  softmax_cross_entropy_forward<float, 512>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(512)
softmax_cross_entropy_forward_f16_block_per_row(ARGUMENT(SoftmaxCrossEntropyForward, p)) {
  SHARED_MEMORY(shared);
  softmax_cross_entropy_forward<f16, 512>(p, reinterpret_cast<float *>(shared));
}
extern "C" __global__ void __launch_bounds__(512)
softmax_cross_entropy_forward_bf16_block_per_row(ARGUMENT(SoftmaxCrossEntropyForward, p)) {
  SHARED_MEMORY(shared);
  softmax_cross_entropy_forward<bf16, 512>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(128)
softmax_cross_entropy_backward_f32_warp_per_row(ARGUMENT(SoftmaxCrossEntropyBackward, p)) {
  softmax_cross_entropy_backward<float, 32>(p);
}
extern "C" __global__ void __launch_bounds__(128)
softmax_cross_entropy_backward_f16_warp_per_row(ARGUMENT(SoftmaxCrossEntropyBackward, p)) {
  softmax_cross_entropy_backward<f16, 32>(p);
}
extern "C" __global__ void __launch_bounds__(128)
softmax_cross_entropy_backward_bf16_warp_per_row(ARGUMENT(SoftmaxCrossEntropyBackward, p)) {
  softmax_cross_entropy_backward<bf16, 32>(p);
}

extern "C" __global__ void __launch_bounds__(512)
softmax_cross_entropy_backward_f32_block_per_row(ARGUMENT(SoftmaxCrossEntropyBackward, p)) {
  softmax_cross_entropy_backward<float, 512>(p);
}
extern "C" __global__ void __launch_bounds__(512)
softmax_cross_entropy_backward_f16_block_per_row(ARGUMENT(SoftmaxCrossEntropyBackward, p)) {
  softmax_cross_entropy_backward<f16, 512>(p);
}
extern "C" __global__ void __launch_bounds__(512)
softmax_cross_entropy_backward_bf16_block_per_row(ARGUMENT(SoftmaxCrossEntropyBackward, p)) {
  softmax_cross_entropy_backward<bf16, 512>(p);
}
