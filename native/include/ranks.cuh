// The order of a row's elements, and where in it a sum is reached, by a block of 256 threads.
#pragma once

#include "numbers.cuh"

static constexpr u32 rank_threads = 256;

// An element and its place as one number: larger for a larger element, for NaN largest, for equal
// elements (-0 equals 0) larger for the one before.
__device__ __forceinline__ u64 rank_of(float value, u32 index) {
  u32 bits = bits_as<u32>(value + 0.f); // adding 0 makes -0 into 0
  u32 key = bits & 0x80000000 ? ~bits : bits | 0x80000000;
  if (value != value) key = 0xFFFFFFFF;
  return u64(key) << 32 | u32(~index);
}

__device__ __forceinline__ u32 index_of(u64 rank) { return ~u32(rank); }

// What the selection shares; the same bytes serve other sums between two selections.
struct RankBins {
  u64 bins[256], groups[16];
};

// The largest rank whose elements, with all of larger rank, weigh `enough` together. weigh(x, rank)
// gives whole numbers, so that the order of additions does not matter; `enough` is at least 1 and
// at most the weight of all. Digits of 8 bits, the highest first: one pass over the row each, and
// none for digits that are alike in every rank.
template <typename T, typename Weigh>
__device__ __forceinline__ u64 select_rank(
    const T *row, u32 length, u64 enough, RankBins &shared, Weigh weigh) {
  u64 chosen = 0;
  for (i32 shift = 56; shift >= 0; shift -= 8) {
    if (shift < 32 && (u64(length - 1) >> shift) == 0) {
      chosen |= u64(0xFF) << shift; // of inverted places
      continue;
    }
    __syncthreads(); // the bins may still be read
    shared.bins[threadIdx.x] = 0;
    __syncthreads();
    for (u32 i = threadIdx.x; i < length; i += rank_threads) {
      float x = to_float(row[i]);
      u64 rank = rank_of(x, i);
      // The digits above this one; two shifts, as 64 at once would be undefined.
      if (((rank ^ chosen) >> shift >> 8) != 0) continue;
      u64 weight = weigh(x, rank);
      if (weight != 0) atomicAdd(&shared.bins[rank >> shift & 255], weight);
    }
    __syncthreads();
    if (threadIdx.x < 16) {
      u64 sum = 0;
      for (u32 i = 0; i < 16; i++) sum += shared.bins[16 * threadIdx.x + i];
      shared.groups[threadIdx.x] = sum;
    }
    __syncthreads();
    u32 group = 15;
    for (; group > 0 && shared.groups[group] < enough; group--) enough -= shared.groups[group];
    u32 bin = 16 * group + 15;
    for (; bin > 16 * group && shared.bins[bin] < enough; bin--) enough -= shared.bins[bin];
    chosen |= u64(bin) << shift;
  }
  return chosen;
}
