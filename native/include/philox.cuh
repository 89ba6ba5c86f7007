// Philox 4x32-10: four random words that depend on a counter and a key alone, so that element i
// of (seed, stream, step) draws the same number on every backend, bit for bit.
//
// Source: Salmon, Moraes, Dror, Shaw 2011; src/Transformer/Numerics/Philox.cs is the definition.
#pragma once

#include "numbers.cuh"

// Ten rounds, each two products of 32 by 32 bits.
__device__ __forceinline__ Words philox(Words counter, u32 key0, u32 key1) {
  u32 x = counter.words[0], y = counter.words[1], z = counter.words[2], w = counter.words[3];
#pragma unroll
  for (u32 round = 0; round < 10; round++) {
    u64 a = u64(0xD2511F53u) * x, b = u64(0xCD9E8D57u) * z;
    x = u32(b >> 32) ^ y ^ key0;
    z = u32(a >> 32) ^ w ^ key1;
    y = u32(b);
    w = u32(a);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return {{x, y, z, w}};
}

// The numbers of elements [4·block, 4·block + 4).
__device__ __forceinline__ Words random_words(u64 seed, u32 stream, u32 step, u64 block) {
  return philox({{u32(block), u32(block >> 32), step, stream}}, u32(seed), u32(seed >> 32));
}

// The number of one element, where its neighbours are not wanted.
__device__ __forceinline__ u32 random_word(u64 seed, u32 stream, u32 step, u64 index) {
  Words four = random_words(seed, stream, step, index >> 2);
  u32 low = index & 1 ? four.words[1] : four.words[0];
  u32 high = index & 1 ? four.words[3] : four.words[2];
  return index & 2 ? high : low;
}

// A word as a number in [0, 1): its upper 24 bits over 2^24, exact.
__device__ __forceinline__ float random_unit(u32 word) { return float(word >> 8) * 0x1p-24f; }
