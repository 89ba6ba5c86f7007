// Tiles of 16-bit elements for tensor cores, and what shapes and hides scores that lie in
// fragments (../include/tile.cuh).
//
// Work: 4 warps. A warp owns 16 rows, or 16·m, of a product a·bᵀ; thread (g, t) = (lane / 4,
//   lane % 4) has rows g and g + 8 of them, and columns 8·n + 2·t and the next for n < 8. So
//   element (n, i) of its fragments is row g + 8·(i / 2), column 8·n + 2·t + i % 2.
// Shared: rows of `Width` elements, 16-byte chunks in tile_offset's order; narrower tensors are
//   followed by zeros, which add nothing.
#pragma once

#include "../include/tile.cuh"
#include "state.cuh"

static constexpr float log2_e = 1.44269504f, ln_2 = 0.693147181f;

// The larger, or the one that is a number.
__device__ __forceinline__ float larger(float a, float b) {
#if defined(TRANSFORMER_EMULATION)
  return a > b || b != b ? a : b;
#else
  float result;
  asm("max.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#endif
}

// The first row of a thread's fragment of 16 rows, and its first column.
__device__ __forceinline__ u32 fragment_row() { return opaque(threadIdx.x) % 32 / 4; }
__device__ __forceinline__ u32 fragment_column() { return opaque(threadIdx.x) % 4 * 2; }

// Where a lane finds its row of ldmatrix in a tile: offset<Width>(row, column) is that of
// tile_offset for the fragment whose corner is there, row a multiple of 8, column of 16 (of 8 where
// the fragment is of one chunk).
struct TilePlace {
  u32 row, swizzle;

  template <u32 Width> __device__ __forceinline__ u32 offset(u32 first, u32 column) const {
    return row + first * (2 * Width) + column / 64 * 128 + (swizzle ^ (column % 64 * 2));
  }
};

// For load_a and load_b_transposed: 16 rows, two chunks.
template <u32 Width> __device__ __forceinline__ TilePlace place_of_rows() {
  u32 lane = opaque(threadIdx.x % 32);
  return {lane % 16 * (2 * Width), ((lane / 16) ^ (lane % 8)) * 16};
}
// For load_b: 8 rows with two chunks, then the next 8.
template <u32 Width> __device__ __forceinline__ TilePlace place_of_columns() {
  u32 lane = opaque(threadIdx.x % 32);
  return {(lane % 8 + lane / 16 * 8) * (2 * Width), ((lane / 8 % 2) ^ (lane % 8)) * 16};
}

// Asks for `Count` rows of a tensor of 16-bit elements as a tile, zeros past `width` and where
// there is no row. What was in the tile must have been read by every thread, and this wants a
// commit.
template <u32 Width, u32 Count>
__device__ __forceinline__ void copy_rows(
    u8 *tile, const void *from, const i64 *offsets, u32 width, bool aligned) {
  constexpr u32 chunks = Width / 8, lines = attention_threads / chunks;
  const u16 *base = static_cast<const u16 *>(from);
  u32 thread = opaque(threadIdx.x);
  if (aligned) {
    u32 row = thread / chunks, place = thread % chunks;
    bool inside = place * 8 < width;
    const i64 *own = offsets + row;
#pragma unroll
    for (u32 i = 0; i < Count / lines; i++) {
      i64 offset = own[i * lines];
      bool exists = inside && offset >= 0;
      copy_async_chunk(tile, tile_offset<chunks>(row + i * lines, place),
                       base + (exists ? offset + place * 8 : 0), exists);
    }
    return;
  }
#pragma unroll 1
  for (; thread < Count * Width; thread += attention_threads) {
    u32 row = thread / Width, column = thread % Width;
    i64 offset = offsets[row];
    bool exists = offset >= 0 && column < width;
    reinterpret_cast<u16 *>(tile + tile_offset<chunks>(row, column / 8))[column % 8] =
        exists ? base[offset + column] : u16(0);
  }
}

// What becomes of numbers that are not finite, in a tile whose rows some weights of 0 skip.
enum class Careful : u32 {
  no,      // they are multiplied, and make NaN of what should skip them
  without, // they count as 0
  plus,    // +∞ and NaN count as 1, everything else as 0
  minus,   // −∞ and NaN count as 1, everything else as 0
};

// Rewrites a tile; between barriers. Every thread calls it.
template <u32 Width, u32 Count>
__device__ __forceinline__ void rewrite_tile(u8 *tile, u32 type, Careful careful) {
  u16 *elements = reinterpret_cast<u16 *>(tile);
  u16 infinite = type == type_f16 ? 0x7C00 : 0x7F80, one = type == type_f16 ? 0x3C00 : 0x3F80;
#pragma unroll 1
  for (u32 at = threadIdx.x; at < Count * Width; at += attention_threads) {
    u16 bits = elements[at];
    bool finite = (bits & infinite) != infinite;
    bool other = bits == (careful == Careful::plus ? infinite | 0x8000 : infinite);
    if (careful == Careful::without) elements[at] = finite ? bits : u16(0);
    else elements[at] = finite || other ? u16(0) : one;
  }
}

// Selects −∞ where the row's interval of keys ends; `row` is the thread's first one.
template <u32 Columns, typename State>
__device__ __forceinline__ void hide_fragment(
    const State &state, u32 row, i32 first, float (&scores)[Columns][4]) {
  i32 column = first + i32(fragment_column());
#pragma unroll
  for (u32 half = 0; half < 2; half++) {
    i32 low = state.first[row + 8 * half] - column, high = state.end[row + 8 * half] - column;
#pragma unroll
    for (u32 n = 0; n < Columns; n++)
#pragma unroll
      for (u32 e = 0; e < 2; e++) {
        bool visible = i32(8 * n + e) >= low && i32(8 * n + e) < high;
        scores[n][2 * half + e] = visible ? scores[n][2 * half + e] : -infinity;
      }
  }
}

// A thread's fragments in shared memory, where a loop can go over them: element e of the fragment
// at slots[e·threads].
__device__ __forceinline__ float *thread_slots(u8 *slots) {
  return reinterpret_cast<float *>(slots) + opaque(threadIdx.x);
}
template <u32 Columns>
__device__ __forceinline__ void put_fragment(float *slots, const float (&values)[Columns][4]) {
#pragma unroll
  for (u32 e = 0; e < 4 * Columns; e++) slots[e * attention_threads] = values[e / 4][e % 4];
}
template <u32 Columns>
__device__ __forceinline__ void get_fragment(const float *slots, float (&values)[Columns][4]) {
#pragma unroll
  for (u32 e = 0; e < 4 * Columns; e++) values[e / 4][e % 4] = slots[e * attention_threads];
}

// q·k become scores with all their terms.
template <u32 Columns, typename State>
__device__ __forceinline__ void shape_fragment(
    const AttentionArgument &p, const Sequence &s, const State &state, u32 row, i32 first,
    u8 *shared, float (&scores)[Columns][4]) {
  float *slots = thread_slots(shared);
  u32 column = fragment_column();
  put_fragment<Columns>(slots, scores);
#pragma unroll 1
  for (u32 half = 0; half < 2; half++) {
    u32 r = row + 8 * half;
    ScoreRow terms = score_row(p, s, state.head[r], state.index[r], state.first[r], state.end[r]);
#pragma unroll 1
    for (u32 i = 0; i < 2 * Columns; i++) {
      float *slot = slots + (i / 2 * 4 + 2 * half + i % 2) * attention_threads;
      i32 key = first + i32(i / 2 * 8 + column + i % 2);
      *slot = masked_score(p, terms, key, capped_score(p, *slot * p.scale), state.thresholds);
    }
  }
  get_fragment<Columns>(slots, scores);
}

// Bit 4·n + i is set where dropout keeps the weight of element (n, i).
template <u32 Columns, typename State>
__device__ __forceinline__ u32 kept_weights(
    const AttentionArgument &p, const Sequence &s, const State &state, u32 row, i32 first) {
  u32 kept = 0, column = fragment_column();
#pragma unroll 1
  for (u32 i = 0; i < 2 * Columns; i++) {
    u32 n = i / 2, half = i % 2, r = row + 8 * half;
    float factors[4];
    dropout_factors(p, state.dropout, s.batch, state.head[r], state.index[r],
                    first + i32(8 * n + column / 4 * 4), factors);
    bool upper = column % 4 != 0;
    u32 low = (upper ? factors[2] : factors[0]) != 0, high = (upper ? factors[3] : factors[1]) != 0;
    kept |= (low | high << 1) << (4 * n + 2 * half);
  }
  return kept;
}

// result = a·bᵀ: 16 rows of a tile from `row` on by the 8·Columns rows of another.
template <typename T, u32 Width, u32 Columns>
__device__ __forceinline__ void multiply_rows_of(
    const u8 *a, u32 row, const u8 *b, float (&result)[Columns][4]) {
  TilePlace rows = place_of_rows<Width>(), columns = place_of_columns<Width>();
#pragma unroll
  for (u32 i = 0; i < 4 * Columns; i++) result[i / 4][i % 4] = 0;
#pragma unroll
  for (u32 k = 0; k < Width; k += 16) {
    u32 left[4], right[4];
    load_matrices(left, a, rows.offset<Width>(row, k));
#pragma unroll
    for (u32 n = 0; n < Columns; n += 2) {
      load_matrices(right, b, columns.offset<Width>(8 * n, k));
      multiply_tiles<T>(result[n], left, right[0], right[1]);
      multiply_tiles<T>(result[n + 1], left, right[2], right[3]);
    }
  }
}

template <u32 Width, u32 Columns>
__device__ __forceinline__ void multiply_rows(
    u32 type, const u8 *a, u32 row, const u8 *b, float (&result)[Columns][4]) {
  if constexpr (has_bf16_tiles)
    if (type == type_bf16) return multiply_rows_of<bf16, Width, Columns>(a, row, b, result);
  multiply_rows_of<f16, Width, Columns>(a, row, b, result);
}

// sums += weights·rows: 16 rows of weights, rounded to T, by a tile of 8·Columns rows.
template <typename T, u32 Width, u32 Columns>
__device__ __forceinline__ void add_weighted_of(
    const float (&weights)[Columns][4], const u8 *tile, float (&sums)[Width / 8][4]) {
  TilePlace rows = place_of_rows<Width>();
#pragma unroll
  for (u32 k = 0; k < Columns / 2; k++) {
    u32 left[4], right[4];
    as_a<T>(left, weights[2 * k], weights[2 * k + 1]);
#pragma unroll
    for (u32 n = 0; n < Width / 8; n += 2) {
      load_matrices_transposed(right, tile, rows.offset<Width>(16 * k, 8 * n));
      multiply_tiles<T>(sums[n], left, right[0], right[1]);
      multiply_tiles<T>(sums[n + 1], left, right[2], right[3]);
    }
  }
}

template <u32 Width, u32 Columns>
__device__ __forceinline__ void add_weighted(
    u32 type, const float (&weights)[Columns][4], const u8 *tile, float (&sums)[Width / 8][4]) {
  if constexpr (has_bf16_tiles)
    if (type == type_bf16) return add_weighted_of<bf16, Width, Columns>(weights, tile, sums);
  add_weighted_of<f16, Width, Columns>(weights, tile, sums);
}

// Where the float pair of a fragment's tile n lies in a tile of `Width` floats a row: chunks of 8
// permuted so that the rows of half a warp lie in different banks.
template <u32 Width> __device__ __forceinline__ u32 result_place(u32 row, u32 n) {
  return row * Width + (n ^ (row & 3)) * 8;
}

// A fragment's 16 rows from `row` on, 8·n columns each, times `scales` of its two.
template <u32 Width>
__device__ __forceinline__ void put_results(
    float *tile, u32 row, const float (&sums)[Width / 8][4], const float (&scales)[2]) {
  struct alignas(8) Pair {
    float low, high;
  };
  u32 first = row + fragment_row(), column = fragment_column();
#pragma unroll
  for (u32 half = 0; half < 2; half++)
#pragma unroll
    for (u32 n = 0; n < Width / 8; n++)
      *reinterpret_cast<Pair *>(tile + result_place<Width>(first + 8 * half, n) + column) = {
          sums[n][2 * half] * scales[half], sums[n][2 * half + 1] * scales[half]};
}

// PTX for sm_75 has no bf16 tiles, nor its conversion.
__device__ __forceinline__ u32 as_pair_of_bf16(float low, float high) {
  return has_bf16_tiles ? as_pair<bf16>(low, high) : 0;
}

// Up to 8 results of a row of `width`, from column `start` on.
__device__ __forceinline__ void store_eight(
    void *to, i64 row, u32 start, u32 width, u32 type, bool aligned, const float *values) {
  if (start >= width) return;
  if (!aligned) {
#pragma unroll 1
    for (u32 e = start; e < width && e < start + 8; e++)
      store_element(to, row + e, type, values[e - start]);
    return;
  }
  Words words;
#pragma unroll
  for (u32 i = 0; i < 4; i++) {
    float low = values[2 * i], high = values[2 * i + 1];
    words.words[i] = type == type_f16 ? as_pair<f16>(low, high) : as_pair_of_bf16(low, high);
  }
  store_words(static_cast<u16 *>(to) + row + start, words);
}
