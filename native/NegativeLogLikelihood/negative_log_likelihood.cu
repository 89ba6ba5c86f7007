// loss[o, i] = −w[label]·p[o, label, i], 0 where the label is ignored; backward:
// gradient[o, label, i] = −s·w[label], s from ../LossReduction, into zeros.
//
// Shapes: p, gradient [outer, classes, inner], contiguous; w [classes]; labels, losses
//   [outer, inner], the losses in float.
// Work: a thread a label.
// Registers: a few. Shared: none.
// Bytes: one element of p read or of the gradient written a label, a sector each.
// Numerics: float. A label that is neither a class nor ignored gives NaN: its loss, and its
//   gradient at class 0; nothing is read or written out of bounds.
// Preconditions: the gradient is all 0 before.
// Source: the definition.
#include "../include/elementwise.cuh"

struct NegativeLogLikelihood {
  const void *log_probabilities, *weights; // no probabilities: backward
  const i32 *labels;
  const float *scale;
  float *losses;
  void *gradient;
  u64 count;
  i32 classes, inner, ignored, ignores;
};

template <typename T>
__device__ __forceinline__ void negative_log_likelihood(const NegativeLogLikelihood &p) {
  const T *weights = static_cast<const T *>(p.weights);
  for (u64 i = launch_rank(); i < p.count; i += launch_threads()) {
    i32 label = p.labels[i];
    bool ignored = p.ignores && label == p.ignored, valid = u32(label) < u32(p.classes);
    u64 outer = i / u32(p.inner), inner = i % u32(p.inner);
    u64 at = (outer * u32(p.classes) + (valid ? u32(label) : 0)) * u32(p.inner) + inner;
    float weight = !valid ? not_a_number() : weights ? to_float(weights[label]) : 1;
    if (!p.gradient) {
      const T *probabilities = static_cast<const T *>(p.log_probabilities);
      p.losses[i] = ignored ? 0 : -weight * to_float(probabilities[at]);
    } else if (!ignored) {
      static_cast<T *>(p.gradient)[at] = from_float<T>(-p.scale[0] * weight);
    }
  }
}

extern "C" __global__ void __launch_bounds__(256)
negative_log_likelihood_f32(ARGUMENT(NegativeLogLikelihood, p)) {
  negative_log_likelihood<float>(p);
}
extern "C" __global__ void __launch_bounds__(256)
negative_log_likelihood_f16(ARGUMENT(NegativeLogLikelihood, p)) {
  negative_log_likelihood<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256)
negative_log_likelihood_bf16(ARGUMENT(NegativeLogLikelihood, p)) {
  negative_log_likelihood<bf16>(p);
}
