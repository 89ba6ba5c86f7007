// tokens[r] = the first token t with Σ_{i ≤ t} wᵢ > u·Σ wᵢ over the tokens that are left,
// wᵢ = exp((xᵢ − m)/temperature), m the row's maximum; u in [0, 1) from Philox.
//
// Shapes: logits [rows, vocabulary]; tokens [rows].
// Work: a block of 256 threads a row. A pass finds the most likely token; top-k and top-p find the
//   rank of the least likely token left, four passes each (more where logits are equal), and top-p
//   one for the sum before; two more draw: each thread adds up a part of the row, and the one whose
//   part has the target walks through it.
// Registers: few. Shared: 2.2 KiB.
// Bytes: logits read 3 to 12 times, from L2 after the first; greedy once.
// Numerics: exponentials in float, then whole multiples of 2^-32: sums are exact, whatever their
//   order. A token below 2^-32 of the most likely one is never drawn.
// Preconditions: temperature ≥ 0; 1 ≤ kept ≤ vocabulary; 0 ≤ top_p ≤ 1.
// Source: Fan, Lewis, Dauphin 2018 (top-k); Holtzman et al. 2020 (top-p).
#include "../include/philox.cuh"
#include "../include/ranks.cuh"

struct Sampling {
  const void *logits;
  i32 *tokens;
  u64 seed, first;
  double top_p;
  float temperature;
  i32 vocabulary, kept;
};

// The largest number of the block; every thread gets it.
__device__ __forceinline__ u64 block_maximum(u64 value, u64 *shared) {
  __syncthreads();
  shared[threadIdx.x] = value;
  for (u32 half = rank_threads / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half && shared[threadIdx.x + half] > shared[threadIdx.x])
      shared[threadIdx.x] = shared[threadIdx.x + half];
  }
  __syncthreads();
  return shared[0];
}

// The sum over the block; every thread gets it.
__device__ __forceinline__ u64 block_total(u64 value, u64 *shared) {
  __syncthreads();
  if (threadIdx.x == 0) *shared = 0;
  __syncthreads();
  atomicAdd(shared, value);
  __syncthreads();
  return *shared;
}

template <typename T> __device__ __forceinline__ void sampling(const Sampling &p, u8 *bytes) {
  constexpr u32 stream = 0xFFFF0005;
  RankBins &shared = *reinterpret_cast<RankBins *>(bytes);
  u32 length = u32(p.vocabulary);
  const T *row = static_cast<const T *>(p.logits) + u64(blockIdx.x) * length;
  u64 best = 0;
  for (u32 i = threadIdx.x; i < length; i += rank_threads) {
    u64 rank = rank_of(to_float(row[i]), i);
    if (rank > best) best = rank;
  }
  best = block_maximum(best, shared.bins);
  float peak = to_float(row[index_of(best)]);
  bool drawable = peak > -infinity && peak < infinity;
  if (!drawable || p.temperature == 0) {
    if (threadIdx.x == 0) p.tokens[blockIdx.x] = drawable ? i32(index_of(best)) : -1;
    return;
  }

  u64 least = 0;
  auto weigh = [&](float x, u64 rank) {
    return rank < least ? 0 : u64(exponential((x - peak) / p.temperature) * 0x1p32f);
  };
  if (u32(p.kept) < length)
    least = select_rank(row, length, u64(p.kept), shared, [](float, u64) { return u64(1); });
  if (p.top_p < 1) {
    u64 sum = 0;
    for (u32 i = threadIdx.x; i < length; i += rank_threads) {
      float x = to_float(row[i]);
      sum += weigh(x, rank_of(x, i));
    }
    sum = block_total(sum, shared.bins);
    u64 enough = u64(p.top_p * double(sum));
    least = select_rank(row, length, enough == 0 ? 1 : enough, shared, weigh);
  }

  // Parts of the row in the order of its tokens.
  u32 part = (length + rank_threads - 1) / rank_threads, begin = threadIdx.x * part;
  u32 end = begin + part < length ? begin + part : length;
  u64 sum = 0;
  for (u32 i = begin; i < end; i++) {
    float x = to_float(row[i]);
    sum += weigh(x, rank_of(x, i));
  }
  u64 total = block_total(sum, shared.groups);
  shared.bins[threadIdx.x] = sum;
  __syncthreads();
  float unit = random_unit(random_word(p.seed, stream, 0, p.first + blockIdx.x));
  u64 target = u64(double(unit) * double(total)), before = 0;
  for (u32 i = 0; i < threadIdx.x; i++) before += shared.bins[i];
  if (before > target || before + sum <= target) return; // the target lies in another part
  for (u32 i = begin; i < end; i++) {
    float x = to_float(row[i]);
    before += weigh(x, rank_of(x, i));
    if (before <= target) continue;
    p.tokens[blockIdx.x] = i32(i);
    return;
  }
}

extern "C" __global__ void __launch_bounds__(256) sampling_f32(ARGUMENT(Sampling, p)) {
  SHARED_MEMORY(shared);
  sampling<float>(p, shared);
}
extern "C" __global__ void __launch_bounds__(256) sampling_f16(ARGUMENT(Sampling, p)) {
  SHARED_MEMORY(shared);
  sampling<f16>(p, shared);
}
extern "C" __global__ void __launch_bounds__(256) sampling_bf16(ARGUMENT(Sampling, p)) {
  SHARED_MEMORY(shared);
  sampling<bf16>(p, shared);
}
