// Tiles of 64 keys and up to 64 queries: rows loaded into shared memory as floats, products from
// there by 128 threads.
//
// Work: thread (y, x) of 8 × 16 owns rows y + 8·i and, of scores, columns x + 16·j; of results 4
//   columns from 4·x in each group of 64. So a warp reads two rows of the left operand (the rest
//   is broadcast) and 16 neighbours of the right one, 16 bytes at a time, without bank conflicts:
//   strides are 4 modulo 32 where 16 rows are read at once, 16 where two are.
#pragma once

#include "../include/reduce.cuh"
#include "state.cuh"

static constexpr u32 chunk_width = 32, chunk_stride = chunk_width + 4; // of a product's operands
static constexpr u32 score_stride = 80;
static constexpr u32 operand_floats = 64 * chunk_stride; // 2304
static constexpr u32 value_floats = 4096;                // rows to be weighted and summed

using BlockState = State<64, 1>;
static constexpr u32 state_bytes = 4736;
static_assert(sizeof(BlockState) <= state_bytes, "the launch counts on it");

struct alignas(16) Four {
  float x[4];
};

__device__ __forceinline__ Four load_four(const float *address) {
  return *reinterpret_cast<const Four *>(address);
}
__device__ __forceinline__ void store_four(float *address, Four value) {
  *reinterpret_cast<Four *>(address) = value;
}

// A number of a type that is known when the kernel runs.
__device__ __forceinline__ float to_float_of(float value, u32) { return value; }
__device__ __forceinline__ float to_float_of(u16 bits, u32 type) {
  return type == type_f16 ? to_float(f16{bits}) : to_float(bf16{bits});
}

// Columns [column, column + span) of `count` rows as floats, zeros past `width` and for rows that
// are not there; span is a multiple of 8. True where a number is NaN or infinite. Element is float,
// or u16 for both 16-bit types.
template <typename Element>
__device__ __forceinline__ bool load_rows_of(
    float *to, u32 stride, const void *from, const i64 *offsets, u32 count, u32 column, u32 span,
    u32 width, bool aligned, u32 type) {
  constexpr u32 elements = chunk<Element>;
  u32 pieces = span / elements;
  bool bad = false;
  for (u32 x = opaque(threadIdx.x); x < count * pieces; x += attention_threads) {
    u32 row = x / pieces, piece = x % pieces * elements, start = column + piece;
    i64 offset = offsets[row];
    const Element *source = static_cast<const Element *>(from) + offset;
    float *place = to + row * stride + piece;
    if (!aligned) {
#pragma unroll 1
      for (u32 e = 0; e < elements; e++) {
        float value = 0;
        if (offset >= 0 && start + e < width) value = to_float_of(source[start + e], type);
        bad |= !(value - value == 0);
        place[e] = value;
      }
      continue;
    }
    Words words = {};
    if (offset >= 0 && start < width) words = load_words(source + start);
    Chunk<Element> raw = bits_as<Chunk<Element>>(words);
#pragma unroll
    for (u32 e = 0; e < elements; e += 4) {
      Four four;
#pragma unroll
      for (u32 i = 0; i < 4; i++) {
        four.x[i] = to_float_of(raw.values[e + i], type);
        bad |= !(four.x[i] - four.x[i] == 0);
      }
      store_four(place + e, four);
    }
  }
  return bad;
}

// Those of a tensor whose elements are of the call's type.
__device__ __forceinline__ bool load_rows(
    float *to, u32 stride, const void *from, const i64 *offsets, u32 count, u32 column, u32 span,
    u32 width, bool aligned, u32 type) {
  return type == type_f32 ? load_rows_of<float>(to, stride, from, offsets, count, column, span,
                                                width, aligned, type)
                          : load_rows_of<u16>(to, stride, from, offsets, count, column, span,
                                              width, aligned, type);
}

// sums[i][j] += a[row i]·b[column j] over `width` elements, a multiple of 4.
template <u32 Rows>
__device__ __forceinline__ void add_products(
    float (&sums)[Rows][4], const float *a, u32 a_stride, const float *b, u32 width) {
  u32 thread = opaque(threadIdx.x), y = thread / 16, x = thread % 16;
  for (u32 d = 0; d < width; d += 4) {
    Four right[4];
#pragma unroll
    for (u32 j = 0; j < 4; j++) right[j] = load_four(b + (x + 16 * j) * chunk_stride + d);
#pragma unroll
    for (u32 i = 0; i < Rows; i++) {
      Four left = load_four(a + (y + 8 * i) * a_stride + d);
#pragma unroll
      for (u32 j = 0; j < 4; j++)
#pragma unroll
        for (u32 e = 0; e < 4; e++)
          sums[i][j] = multiply_add(left.x[e], right[j].x[e], sums[i][j]);
    }
  }
}

// sums[i][4·g + c] += weights[row i][t]·rows[t][64·g + 4·x + c] over `count` rows, a multiple of
// 4. Weights of 0 are skipped where `careful`: their rows may hold NaN or ∞.
template <u32 Rows, u32 Groups>
__device__ __forceinline__ void add_weighted_rows(
    float (&sums)[Rows][4 * Groups], const float *weights, const float *rows, u32 count,
    bool careful) {
  u32 thread = opaque(threadIdx.x), y = thread / 16, x = thread % 16;
  if (careful) {
    for (u32 t = 0; t < count; t++)
#pragma unroll
      for (u32 g = 0; g < Groups; g++) {
        Four row = load_four(rows + t * 64 * Groups + 64 * g + 4 * x);
#pragma unroll
        for (u32 i = 0; i < Rows; i++) {
          float weight = weights[(y + 8 * i) * score_stride + t];
#pragma unroll
          for (u32 c = 0; c < 4; c++) {
            float sum = multiply_add(weight, row.x[c], sums[i][4 * g + c]);
            sums[i][4 * g + c] = weight == 0 ? sums[i][4 * g + c] : sum;
          }
        }
      }
    return;
  }
  for (u32 t = 0; t < count; t += 4) {
    Four weight[Rows];
#pragma unroll
    for (u32 i = 0; i < Rows; i++)
      weight[i] = load_four(weights + (y + 8 * i) * score_stride + t);
#pragma unroll
    for (u32 e = 0; e < 4; e++)
#pragma unroll
      for (u32 g = 0; g < Groups; g++) {
        Four row = load_four(rows + (t + e) * 64 * Groups + 64 * g + 4 * x);
#pragma unroll
        for (u32 i = 0; i < Rows; i++)
#pragma unroll
          for (u32 c = 0; c < 4; c++)
            sums[i][4 * g + c] = multiply_add(weight[i].x[e], row.x[c], sums[i][4 * g + c]);
      }
  }
}

// sums += weights·rows over a tile of 64 rows, of which 64·Groups columns from `column` on count.
// Every thread calls it; `buffer` holds value_floats and is free again when it returns.
template <u32 Rows, u32 Groups>
__device__ __forceinline__ void add_weighted_tile(
    float (&sums)[Rows][4 * Groups], const float *weights, const void *from, const i64 *offsets,
    u32 column, u32 width, bool aligned, u32 type, float *buffer, BlockState &state) {
  constexpr u32 part = 64 / Groups; // rows that the buffer holds
  for (u32 t = 0; t < 64; t += part) {
    bool bad = load_rows(buffer, 64 * Groups, from, offsets + t, part, column, 64 * Groups, width,
                         aligned, type);
    if (bad) state.not_finite = 1; // stays so: such inputs are rare
    __syncthreads();
    add_weighted_rows<Rows, Groups>(sums, weights + t, buffer, part, state.not_finite);
    __syncthreads();
  }
}

// sums = a·bᵀ for 8·Rows and 64 rows of two tensors. Every thread calls it; `buffer` holds twice
// operand_floats and is free again when it returns.
template <u32 Rows>
__device__ __forceinline__ void multiply_tiles(
    float (&sums)[Rows][4], const void *a, const i64 *a_rows, bool a_aligned, const void *b,
    const i64 *b_rows, bool b_aligned, u32 width, u32 type, float *buffer) {
#pragma unroll
  for (u32 i = 0; i < Rows; i++)
#pragma unroll
    for (u32 j = 0; j < 4; j++) sums[i][j] = 0;
  for (u32 d = 0; d < width; d += chunk_width) {
    u32 rest = width - d, span = rest < chunk_width ? (rest + 7) / 8 * 8 : chunk_width;
    load_rows(buffer, chunk_stride, a, a_rows, 8 * Rows, d, span, width, a_aligned, type);
    load_rows(
        buffer + operand_floats, chunk_stride, b, b_rows, 64, d, span, width, b_aligned, type);
    __syncthreads();
    add_products<Rows>(sums, buffer, chunk_stride, buffer + operand_floats, span);
    __syncthreads();
  }
}

// The thread's scores to shared memory, and back.
template <u32 Rows>
__device__ __forceinline__ void put_scores(float *tile, const float (&scores)[Rows][4]) {
  u32 thread = opaque(threadIdx.x), y = thread / 16, x = thread % 16;
#pragma unroll
  for (u32 i = 0; i < Rows; i++)
#pragma unroll
    for (u32 j = 0; j < 4; j++) tile[(y + 8 * i) * score_stride + x + 16 * j] = scores[i][j];
}
template <u32 Rows>
__device__ __forceinline__ void get_scores(const float *tile, float (&scores)[Rows][4]) {
  u32 thread = opaque(threadIdx.x), y = thread / 16, x = thread % 16;
#pragma unroll
  for (u32 i = 0; i < Rows; i++)
#pragma unroll
    for (u32 j = 0; j < 4; j++) scores[i][j] = tile[(y + 8 * i) * score_stride + x + 16 * j];
}

// Four results of each of a thread's rows to its own places in shared memory, times a scale.
static constexpr u32 own_stride = 4 * attention_threads;
template <u32 Rows, u32 Groups>
__device__ __forceinline__ void put_own(
    float *own, const float (&results)[Rows][4 * Groups], u32 group, const float (&scales)[Rows]) {
#pragma unroll
  for (u32 i = 0; i < Rows; i++) {
    Four four;
#pragma unroll
    for (u32 c = 0; c < 4; c++) four.x[c] = results[i][4 * group + c] * scales[i];
    store_four(own + i * own_stride, four);
  }
}

// Four results in shared memory to where they lie, as far as the row goes.
__device__ __forceinline__ void store_results(
    void *to, i64 offset, u32 column, u32 width, bool aligned, u32 type, const float *results) {
  if (!aligned || column + 4 > width) {
#pragma unroll 1
    for (u32 i = 0; i < 4 && column + i < width; i++)
      store_element(to, offset + column + i, type, results[i]);
    return;
  }
  Four four = load_four(results);
  if (type == type_f32) {
    store_four(static_cast<float *>(to) + offset + column, four);
    return;
  }
  struct alignas(8) Narrow {
    u16 x[4];
  } narrow;
#pragma unroll
  for (u32 i = 0; i < 4; i++)
    narrow.x[i] =
        type == type_f16 ? from_float<f16>(four.x[i]).bits : from_float<bf16>(four.x[i]).bits;
  *reinterpret_cast<Narrow *>(static_cast<u16 *>(to) + offset + column) = narrow;
}
