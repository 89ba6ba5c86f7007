// output = Σ wᵢ·outputᵢ / Σ wᵢ, log_sum_exp = M + log Σ wᵢ, with M = max Lᵢ, wᵢ = e^(Lᵢ − M).
//
// Shapes: outputs [parts, rows, width], log_sums [parts, rows], output [rows, width], log_sum_exp
//   [rows]; contiguous; log_sums and log_sum_exp in float.
// Work: a warp a row, four rows a block; a lane owns every 32nd element.
// Registers: a few. Shared: none.
// Bytes: every part once, the output once: bound by memory.
// Numerics: float, parts in order. A part with Lᵢ = −∞ is skipped and may hold NaN; where all are,
//   output is 0 and log_sum_exp −∞.
// Preconditions: parts ≥ 1. The outputs may be the first part itself.
// Source: Milakov, Gimelshein 2018.
#include "../include/reduce.cuh"

struct AttentionMergeArgument {
  const void *outputs;
  const float *log_sums;
  void *output;
  float *log_sum_exp;
  i64 rows;
  i32 parts, width;
};

template <typename T>
__device__ __forceinline__ void attention_merge(const AttentionMergeArgument &p) {
  i64 row = i64(blockIdx.x) * 4 + threadIdx.x / 32;
  if (row >= p.rows) return; // whole warps
  i32 lane = i32(threadIdx.x % 32);
  float top = -infinity, total = 0;
  for (i32 i = 0; i < p.parts; i++) top = maximum(top, p.log_sums[i * p.rows + row]);
  bool blind = top == -infinity;
  for (i32 i = 0; i < p.parts && !blind; i++)
    total += exponential(p.log_sums[i * p.rows + row] - top);
  const T *outputs = static_cast<const T *>(p.outputs);
  T *output = static_cast<T *>(p.output);
  for (i32 d = lane; d < p.width; d += 32) {
    float sum = 0;
    for (i32 i = 0; i < p.parts && !blind; i++) {
      i64 at = i * p.rows + row;
      float log_sum = p.log_sums[at];
      if (log_sum == -infinity) continue;
      sum = multiply_add(exponential(log_sum - top), to_float(outputs[at * p.width + d]), sum);
    }
    output[row * p.width + d] = from_float<T>(blind ? 0 : sum / total);
  }
  __syncwarp(); // log_sum_exp may be the first part's
  if (lane == 0 && p.log_sum_exp)
    p.log_sum_exp[row] = blind ? -infinity : top + log2_fast(total) * 0.693147181f;
}

extern "C" __global__ void __launch_bounds__(128)
attention_merge_f32(ARGUMENT(AttentionMergeArgument, p)) {
  attention_merge<float>(p);
}
extern "C" __global__ void __launch_bounds__(128)
attention_merge_f16(ARGUMENT(AttentionMergeArgument, p)) {
  attention_merge<f16>(p);
}
extern "C" __global__ void __launch_bounds__(128)
attention_merge_bf16(ARGUMENT(AttentionMergeArgument, p)) {
  attention_merge<bf16>(p);
}
