// Rows of any width and alignment, 16 bytes at a time wherever an address allows: the elements
// before the first multiple of 16 and behind the last go one by one.
#pragma once

#include "numbers.cuh"

// A row that a kernel only reads.
template <typename T> struct RowSplit {
  u32 head, chunks; // elements before the first whole chunk; whole chunks

  __device__ __forceinline__ RowSplit(const T *row, u32 width) {
    u32 past = u32(reinterpret_cast<u64>(row) % 16) / sizeof(T);
    head = past == 0 ? 0 : chunk<T> - past;
    if (head > width) head = width;
    chunks = (width - head) / chunk<T>;
  }

  // A row read here and written there: by chunks only where both lie alike.
  __device__ __forceinline__ RowSplit(const T *row, const T *other, u32 width)
      : RowSplit(row, width) {
    u64 differing = reinterpret_cast<u64>(row) ^ reinterpret_cast<u64>(other);
    if (differing % 16 != 0) head = chunks = 0;
  }

  // The k-th of the elements that go one by one.
  __device__ __forceinline__ u32 single(u32 k) const {
    return k < head ? k : k + chunks * chunk<T>;
  }
  __device__ __forceinline__ u32 singles(u32 width) const { return width - chunks * chunk<T>; }
};

// Calls visit(start, float (&values)[N]) for the share of a row that thread `rank` of `threads`
// has, N being a whole chunk or 1.
template <typename T, typename Visit>
__device__ __forceinline__ void visit_row(
    const T *row, u32 width, u32 rank, u32 threads, Visit visit) {
  RowSplit<T> split(row, width);
  for (u32 c = rank; c < split.chunks; c += threads) {
    u32 start = split.head + c * chunk<T>;
    float values[chunk<T>];
    load_chunk(row + start, 0, chunk<T>, values);
    visit(start, values);
  }
  for (u32 k = rank; k < split.singles(width); k += threads) {
    u32 start = split.single(k);
    float values[1] = {to_float(row[start])};
    visit(start, values);
  }
}

// The same, and writes to `output` what visit leaves in the values. The rows may be the same.
template <typename T, typename Visit>
__device__ __forceinline__ void map_row(
    const T *row, T *output, u32 width, u32 rank, u32 threads, Visit visit) {
  RowSplit<T> split(row, output, width);
  for (u32 c = rank; c < split.chunks; c += threads) {
    u32 start = split.head + c * chunk<T>;
    float values[chunk<T>];
    load_chunk(row + start, 0, chunk<T>, values);
    visit(start, values);
    store_chunk(output + start, 0, chunk<T>, values);
  }
  for (u32 k = rank; k < split.singles(width); k += threads) {
    u32 start = split.single(k);
    float values[1] = {to_float(row[start])};
    visit(start, values);
    output[start] = from_float<T>(values[0]);
  }
}
