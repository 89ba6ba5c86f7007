// The main loop of a matrix product: a block's tile of a·b, from operands in global memory.
//
// Shapes: a is m×k, b is k×n. Either operand may lie along k (a [m, k], b [n, k]) or across it
//   (a [k, m], b [k, n]); rows are contiguous and follow each other.
// Work: a block owns Size×Size of the product and walks along its part of k in steps of 64 bytes.
//   Its threads copy the operands of the next two steps to shared memory while they multiply this
//   one's. 16-bit types: 4 warps, each a quarter of the tile on tensor cores (tile.cuh). float:
//   Size²/64 threads of 8×8 products, FMAs on registers.
// Shared: 3·2·Size·64 bytes: 48 KiB for Size 128, 24 KiB for 64; no bank conflicts, by the
//   permuted order of tile.cuh. Registers: Size²/threads accumulators: 128 and 32 on tensor cores,
//   64 for float.
// Bytes: 2·Size·k elements a block; arithmetic intensity Size/2 multiply-adds an element.
// Numerics: float accumulators, k in ascending order. What lies beyond m, n or k counts as zero and
//   is not read.
// Preconditions: `whole` only where the operand and each of its rows start on 16 bytes; otherwise
//   elements are copied one by one.
#pragma once

#include "../include/tile.cuh"

enum class Along { k, rows }; // what an operand's contiguous direction is

static constexpr u32 stages = 3;
static constexpr u32 step_bytes = 64;

template <typename T> static constexpr u32 step = step_bytes / sizeof(T); // of k

template <typename T, u32 Size> static constexpr u32 block_threads =
    sizeof(T) == 4 ? Size * Size / 64 : 128;

// One operand in global memory: `rows` (m or n) by k.
template <typename T> struct Operand {
  const T *data;
  u32 rows, depth;
  bool whole;
};

// Copies rows [first, first + Size) and k [start, start + step) of an operand into a tile, k ending
// before `end`.
template <typename T, Along Direction, u32 Size, bool Whole>
__device__ __forceinline__ void copy_step(
    u8 *tile, const Operand<T> &operand, u32 first, u32 start, u32 end) {
  constexpr u32 count = chunk<T>, threads = block_threads<T, Size>;
  constexpr bool along_k = Direction == Along::k;
  constexpr u32 lines = along_k ? Size : step<T>, chunks = (along_k ? step<T> : Size) / count;
  u32 first_line = along_k ? first : start, line_limit = along_k ? operand.rows : end;
  u32 first_element = along_k ? start : first, element_limit = along_k ? end : operand.rows;
  u32 pitch = along_k ? operand.depth : operand.rows;
#pragma unroll
  for (u32 i = 0; i < lines * chunks / threads; i++) {
    u32 id = i * threads + threadIdx.x;
    u32 line = id / chunks, place = id % chunks;
    u8 *to = tile + tile_offset<chunks>(line, place);
    u32 element = first_element + place * count;
    bool inside = first_line + line < line_limit && element < element_limit;
    u32 present = !inside ? 0 : element_limit - element < count ? element_limit - element : count;
    const T *from = operand.data + (inside ? u64(first_line + line) * pitch + element : 0);
    if constexpr (Whole) copy_async(to, from, present * sizeof(T));
    else if constexpr (sizeof(T) == 4) {
#pragma unroll
      for (u32 e = 0; e < count; e++)
        copy_async(reinterpret_cast<float *>(to) + e, from + (e < present ? e : 0), e < present);
    } else {
      Chunk<T> values;
#pragma unroll
      for (u32 e = 0; e < count; e++) values.values[e] = e < present ? from[e] : T{0};
      *reinterpret_cast<Chunk<T> *>(to) = values;
    }
  }
}

// A thread's accumulators on tensor cores: the warp's rows by columns of 16×8 tiles.
template <typename T, u32 Size> struct TensorTile {
  static constexpr u32 rows = Size / 32, columns = Size / 16;
  float sums[rows][columns][4];

  static __device__ __forceinline__ u32 first_row() { return threadIdx.x / 64 * (Size / 2); }
  static __device__ __forceinline__ u32 first_column() {
    return threadIdx.x / 32 % 2 * (Size / 2);
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (u32 i = 0; i < rows * columns * 4; i++) sums[i / 4 / columns][i / 4 % columns][i % 4] = 0;
  }

  template <Along A, Along B>
  __device__ __forceinline__ void multiply(const u8 *a_tile, const u8 *b_tile) {
    constexpr u32 along = step<T> / chunk<T>, across = Size / chunk<T>;
#pragma unroll
    for (u32 k = 0; k < step<T>; k += 16) {
      u32 b[columns / 2][4];
#pragma unroll
      for (u32 j = 0; j < columns / 2; j++) {
        if constexpr (B == Along::k) load_b<along>(b[j], b_tile, first_column() + 16 * j, k);
        else load_b_transposed<across>(b[j], b_tile, first_column() + 16 * j, k);
      }
#pragma unroll
      for (u32 i = 0; i < rows; i++) {
        u32 a[4];
        if constexpr (A == Along::k) load_a<along>(a, a_tile, first_row() + 16 * i, k);
        else load_a_transposed<across>(a, a_tile, first_row() + 16 * i, k);
#pragma unroll
        for (u32 j = 0; j < columns / 2; j++) {
          multiply_tiles<T>(sums[i][2 * j], a, b[j][0], b[j][1]);
          multiply_tiles<T>(sums[i][2 * j + 1], a, b[j][2], b[j][3]);
        }
      }
    }
  }

  // Writes rows [half·Size/2, …) of the block's tile, half of it, to rows of `pitch` floats.
  template <Along A, Along B>
  __device__ __forceinline__ void store_half(float *to, u32 pitch, u32 half) const {
    if (threadIdx.x / 64 != half) return;
    u32 lane = threadIdx.x % 32;
#pragma unroll
    for (u32 i = 0; i < rows; i++)
#pragma unroll
      for (u32 j = 0; j < columns; j++)
#pragma unroll
        for (u32 e = 0; e < 4; e += 2) {
          u32 row = 16 * i + lane / 4 + e * 4, column = first_column() + 8 * j + lane % 4 * 2;
          struct alignas(8) Pair {
            float low, high;
          };
          *reinterpret_cast<Pair *>(to + row * pitch + column) = {sums[i][j][e], sums[i][j][e + 1]};
        }
  }
};

// A thread's accumulators on FMA units: 8×8 of the block's tile. Along k a thread owns every
// (Size/8)th row, so that the 8 threads that read a tile's rows together read neighbours; across it
// owns two runs of 4, which it reads at once. The same for columns.
template <u32 Size> struct FmaTile {
  static constexpr u32 lanes = Size / 8;
  float sums[8][8];

  // Warps are 4×8 threads, two (or one) beside each other.
  static __device__ __forceinline__ u32 row_lane() {
    return threadIdx.x / 32 / (lanes / 8) * 4 + threadIdx.x % 32 / 8;
  }
  static __device__ __forceinline__ u32 column_lane() {
    return threadIdx.x / 32 % (lanes / 8) * 8 + threadIdx.x % 8;
  }
  template <Along Direction> static __device__ __forceinline__ u32 place(u32 lane, u32 i) {
    return Direction == Along::k ? lane + lanes * i : 4 * lane + i % 4 + 4 * lanes * (i / 4);
  }

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (u32 i = 0; i < 64; i++) sums[i / 8][i % 8] = 0;
  }

  static __device__ __forceinline__ Chunk<float> chunk_at(const u8 *tile, u32 offset) {
    return *reinterpret_cast<const Chunk<float> *>(tile + offset);
  }

  // 4 elements along k of the thread's i-th row.
  static __device__ __forceinline__ Chunk<float> along_k(
      const u8 *tile, u32 lane, u32 i, u32 start) {
    return chunk_at(tile, tile_offset<step_bytes / 16>(place<Along::k>(lane, i), start / 4));
  }
  // The thread's 8 rows at one k.
  static __device__ __forceinline__ void across_k(
      float (&values)[8], const u8 *tile, u32 lane, u32 k) {
#pragma unroll
    for (u32 run = 0; run < 2; run++) {
      Chunk<float> four = chunk_at(tile, tile_offset<Size / 4>(k, lane + lanes * run));
#pragma unroll
      for (u32 e = 0; e < 4; e++) values[4 * run + e] = four.values[e];
    }
  }

  // All of b for 4 steps of k in registers, a as it is needed: 32 and at most 8 beside the sums.
  template <Along A, Along B>
  __device__ __forceinline__ void multiply(const u8 *a_tile, const u8 *b_tile) {
    u32 row = row_lane(), column = column_lane();
#pragma unroll 2
    for (u32 start = 0; start < step<float>; start += 4) {
      float b[4][8];
#pragma unroll
      for (u32 i = 0; i < (B == Along::k ? 8 : 4); i++) {
        if constexpr (B == Along::k) {
          Chunk<float> four = along_k(b_tile, column, i, start);
#pragma unroll
          for (u32 k = 0; k < 4; k++) b[k][i] = four.values[k];
        } else across_k(b[i], b_tile, column, start + i);
      }
      if constexpr (A == Along::k) {
#pragma unroll
        for (u32 i = 0; i < 8; i++) {
          Chunk<float> a = along_k(a_tile, row, i, start);
#pragma unroll
          for (u32 j = 0; j < 32; j++)
            sums[i][j % 8] = multiply_add(a.values[j / 8], b[j / 8][j % 8], sums[i][j % 8]);
        }
      } else {
#pragma unroll
        for (u32 k = 0; k < 4; k++) {
          float a[8];
          across_k(a, a_tile, row, start + k);
#pragma unroll
          for (u32 i = 0; i < 64; i++)
            sums[i / 8][i % 8] = multiply_add(a[i / 8], b[k][i % 8], sums[i / 8][i % 8]);
        }
      }
    }
  }

  template <Along A, Along B>
  __device__ __forceinline__ void store_half(float *to, u32 pitch, u32 half) const {
    u32 row_lane = this->row_lane(), column_lane = this->column_lane();
#pragma unroll
    for (u32 i = 0; i < 8; i++)
#pragma unroll
      for (u32 j = 0; j < 8; j++)
        if (i / 4 == half) {
          u32 row = place<A>(row_lane, i) - half * (Size / 2);
          to[row * pitch + place<B>(column_lane, j)] = sums[i][j];
        }
  }
};

template <typename T, u32 Size> struct TileOf {
  using Type = TensorTile<T, Size>;
};
template <u32 Size> struct TileOf<float, Size> {
  using Type = FmaTile<Size>;
};

// sum over k in [start, end) of a·b, for the tile at (row, column).
template <typename T, Along A, Along B, u32 Size, typename Tile>
__device__ __forceinline__ void multiply_block(
    Tile &tile, const Operand<T> &a, const Operand<T> &b, u32 row, u32 column, u32 start, u32 end,
    u8 *shared) {
  constexpr u32 operand_bytes = Size * step_bytes;
  u32 steps = (end - start + step<T> - 1) / step<T>, slot = 0;
  tile.clear();
  // Step `number` is asked for while the one stages - 1 before it is multiplied.
#pragma unroll 1
  for (u32 number = 0; number < steps + stages - 1; number++) {
    u32 next_slot = slot + 1 == stages ? 0 : slot + 1; // the oldest, too
    bool filled = number >= stages - 1;
    if (filled) {
      copy_async_wait<stages - 2>();
      // All have waited for their copies of this step, and all are done with the step before, whose
      // place the next copies take.
      __syncthreads();
    }
    if (number < steps) {
      u8 *place = shared + slot * (2 * operand_bytes);
      u32 from = start + number * step<T>;
      if (a.whole) copy_step<T, A, Size, true>(place, a, row, from, end);
      else copy_step<T, A, Size, false>(place, a, row, from, end);
      place += operand_bytes;
      if (b.whole) copy_step<T, B, Size, true>(place, b, column, from, end);
      else copy_step<T, B, Size, false>(place, b, column, from, end);
    }
    copy_async_commit(); // an empty group, too: the count of groups is that of steps
    if (filled) {
      const u8 *place = shared + next_slot * (2 * operand_bytes);
      tile.template multiply<A, B>(place, place + operand_bytes);
    }
    slot = next_slot;
  }
  __syncthreads(); // shared memory is free again
}
