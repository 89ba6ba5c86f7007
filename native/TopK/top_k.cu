// indices[r, i] is the place of the i-th largest element of input[r, ·], values[r, i] that element.
//
// Shapes: input [rows, length]; values, indices [rows, count].
// Work: a block of 256 threads a row. Four passes over it find the rank of the count-th largest
//   element, one digit of 8 bits each (up to four more where elements are equal); one collects what
//   is not below it; a bitonic sort orders that.
// Registers: few. Shared: 2.2 KiB, and 8 bytes an element taken, rounded up to a power of 2; where
//   that is more than the launch gives, they lie in device memory.
// Bytes: input read five times, from L2 after the first; what is taken is read and written.
// Numerics: elements are moved. NaN comes first; equal elements come by rising index.
// Preconditions: 1 ≤ count ≤ length.
// Source: radix selection: Alabi, Blanchard, Gordon, Steinbach 2012; bitonic sort: Batcher 1968.
#include "../include/ranks.cuh"

struct TopK {
  const void *input;
  void *values; // may be null
  i32 *indices;
  u64 *taken;   // [rows, padded]; null: in shared memory
  i32 length, count, padded; // the power of 2 from count on
};

template <typename T> __device__ __forceinline__ void top_k(const TopK &p, u8 *bytes) {
  RankBins &bins = *reinterpret_cast<RankBins *>(bytes);
  i32 *filled = reinterpret_cast<i32 *>(bytes + sizeof(RankBins));
  u64 *taken = reinterpret_cast<u64 *>(bytes + sizeof(RankBins)) + 1;
  if (p.taken) taken = p.taken + u64(blockIdx.x) * u32(p.padded);
  u32 length = u32(p.length), count = u32(p.count), padded = u32(p.padded);
  const T *row = static_cast<const T *>(p.input) + u64(blockIdx.x) * length;
  if (threadIdx.x == 0) *filled = 0;
  u64 least =
      select_rank(row, length, count, bins, [](float, u64) { return u64(1); });
  for (u32 i = count + threadIdx.x; i < padded; i += rank_threads) taken[i] = 0;
  for (u32 i = threadIdx.x; i < length; i += rank_threads) {
    u64 rank = rank_of(to_float(row[i]), i);
    if (rank >= least) taken[atomicAdd(filled, 1)] = rank;
  }
  for (u32 size = 2; size <= padded; size *= 2)
    for (u32 step = size / 2; step > 0; step /= 2) {
      __syncthreads();
      for (u32 i = threadIdx.x; i < padded / 2; i += rank_threads) {
        u32 low = i / step * 2 * step + i % step, high = low + step;
        u64 a = taken[low], b = taken[high];
        bool falling = (low & size) == 0; // all of the last round
        if (falling ? a < b : a > b) taken[low] = b, taken[high] = a;
      }
    }
  __syncthreads();
  for (u32 i = threadIdx.x; i < count; i += rank_threads) {
    u32 index = index_of(taken[i]);
    u64 at = u64(blockIdx.x) * count + i;
    p.indices[at] = i32(index);
    if (p.values) static_cast<T *>(p.values)[at] = row[index];
  }
}

extern "C" __global__ void __launch_bounds__(256) top_k_f32(ARGUMENT(TopK, p)) {
  SHARED_MEMORY(shared);
  top_k<float>(p, shared);
}
extern "C" __global__ void __launch_bounds__(256) top_k_f16(ARGUMENT(TopK, p)) {
  SHARED_MEMORY(shared);
  top_k<f16>(p, shared);
}
extern "C" __global__ void __launch_bounds__(256) top_k_bf16(ARGUMENT(TopK, p)) {
  SHARED_MEMORY(shared);
  top_k<bf16>(p, shared);
}
