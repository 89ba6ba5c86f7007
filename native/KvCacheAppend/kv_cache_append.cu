// cache[b, positions[b] + i, :] = source[b, i, :], each head rotated at that position where there
// are tables: y₁ = c·x₁ − s·x₂, y₂ = s·x₁ + c·x₂ for a pair of the first `rotary` elements.
//
// Shapes: source [batch, new_length, width], source_stride elements between rows; cache [batch,
//   capacity, width], or [pages, page_size, width] behind block_table [batch, table_stride];
//   cosines, sines [table_rows, rotary / 2].
// Work: a block of 128 threads a new row; a thread owns every 128th element.
// Registers: a few. Shared: none.
// Bytes: a new row read and written once, and a row of the tables: bound by memory.
// Numerics: float, one rounding.
// Preconditions: terms of the call were validated on the host. A row whose position, page or table
//   row does not exist is not written.
// Source: Su et al. 2021, eq. 34 (rotation).
#include "../include/numbers.cuh"

struct KvCacheAppendArgument {
  const void *source;
  void *cache;
  const i32 *positions, *block_table;
  const void *cosines, *sines;
  i64 source_stride;
  i32 batch, new_length, capacity, width;
  i32 table_stride, page_size, page_count;
  i32 table_rows, rotary, head_dimension, interleaved;
  u32 source_type, cache_type, cosines_type, sines_type;
};

__device__ __forceinline__ float read_any(const void *base, i64 index, u32 type) {
  if (type == 0) return static_cast<const float *>(base)[index];
  u16 bits = static_cast<const u16 *>(base)[index];
  return type == 1 ? to_float(f16{bits}) : to_float(bf16{bits});
}

extern "C" __global__ void __launch_bounds__(128)
kv_cache_append(ARGUMENT(KvCacheAppendArgument, p)) {
  i32 row = i32(blockIdx.x), sequence = row / p.new_length;
  i64 position = i64(p.positions[sequence]) + row % p.new_length;
  if (position < 0 || position >= p.capacity) return;
  i64 target = i64(sequence) * p.capacity + position;
  if (p.block_table) {
    i32 page = p.block_table[i64(sequence) * p.table_stride + position / p.page_size];
    if (page < 0 || page >= p.page_count) return;
    target = i64(page) * p.page_size + position % p.page_size;
  }
  if (p.cosines && position >= p.table_rows) return;
  i64 from = row * p.source_stride, to = target * p.width;
  i32 half = p.rotary / 2;
  for (i32 w = i32(threadIdx.x); w < p.width; w += 128) {
    float value = read_any(p.source, from + w, p.source_type);
    i32 d = p.cosines ? w % p.head_dimension : 0;
    if (p.cosines && d < p.rotary) {
      i32 pair = p.interleaved ? d / 2 : d % half;
      bool second = p.interleaved ? d % 2 != 0 : d >= half;
      i32 distance = p.interleaved ? 1 : half;
      float other = read_any(
          p.source, from + (second ? w - distance : w + distance), p.source_type);
      float cosine = read_any(p.cosines, position * half + pair, p.cosines_type);
      float sine = read_any(p.sines, position * half + pair, p.sines_type);
      float product = sine * other;
      value = second ? multiply_add(cosine, value, product)
                     : multiply_add(cosine, value, -product);
    }
    if (p.cache_type == 0) static_cast<float *>(p.cache)[to + w] = value;
    else if (p.cache_type == 1) static_cast<f16 *>(p.cache)[to + w] = from_float<f16>(value);
    else static_cast<bf16 *>(p.cache)[to + w] = from_float<bf16>(value);
  }
}
