// Matrix products on a warp's tensor core tiles, from operands in shared memory.
//
// The unit is d += a·b with a 16×16, b 16×8 in f16 or bf16 and d 16×8 in float: the instruction
// mma.sync.m16n8k16, or two of m16n8k8 where sm_75 lacks it. A warp holds each matrix as fragments,
// spread over its lanes. With g = lane / 4 and t = lane % 4, a pair being two neighbours in 32
// bits, the lower index in the low half:
//
//   a, 4 pairs    a[0] = row g,     k 2t and 2t+1     a[2] = row g,     k 2t+8 and 2t+9
//                 a[1] = row g + 8, k 2t and 2t+1     a[3] = row g + 8, k 2t+8 and 2t+9
//   b, 2 pairs    b0 = k 2t and 2t+1, column g        b1 = k 2t+8 and 2t+9, column g
//   d, 4 floats   d[0], d[1] = row g,     columns 2t and 2t+1
//                 d[2], d[3] = row g + 8, columns 2t and 2t+1
//
// So the d of two neighbouring tiles, rounded to pairs, are an a of the next product (as_a below):
// that is how attention multiplies its weights by the values without leaving the registers.
//
// Operands lie in shared memory as tiles: rows of Chunks·16 bytes, where chunk c of row r stands at
// place tile_offset<Chunks>(r, c). The order within a row is permuted so that the 8 chunks that
// ldmatrix reads at a time, one column of 8 rows, lie in different banks. A tile's row is a row of
// the matrix or a column of it; whichever is contiguous in memory is right for 16-byte copies, and
// the loads below come in both kinds:
//
//   load_a   tile [row][k]       load_a_transposed   tile [k][row]
//   load_b   tile [column][k]    load_b_transposed   tile [k][column]
//
// Copies: copy_async moves 16 bytes from global to shared memory behind the program's back
// (cp.async; an ordinary load and store before sm_80). The copies since the last copy_async_commit
// are a group; copy_async_wait<N> waits until at most N groups of this thread are unfinished, so
// the other threads' copies are there only after a __syncthreads that follows everybody's wait.
//
// Numerics: products exact, sums in float by the tensor core's own rounding, which truncates where
// an FMA rounds; the emulation uses FMAs in the order of k.
// Preconditions: whole warps; tiles start on 128 bytes; bf16 needs sm_80.
// Source: PTX ISA, "Matrix Fragments for mma.m16n8k16", "ldmatrix", "cp.async".
#pragma once

#include "numbers.cuh"

#if !defined(TRANSFORMER_EMULATION) && __CUDA_ARCH__ >= 800
#define TRANSFORMER_SM80 1
#else
#define TRANSFORMER_SM80 0
#endif

// True where bf16 tiles can be multiplied.
static constexpr bool has_bf16_tiles = emulated || TRANSFORMER_SM80;

template <typename T> inline constexpr bool is_bf16 = false;
template <> inline constexpr bool is_bf16<bf16> = true;

// Byte offset of a chunk in a tile. Chunks is a power of two from 2 on.
template <u32 Chunks> __device__ __forceinline__ u32 tile_offset(u32 row, u32 chunk) {
  static_assert((Chunks & (Chunks - 1)) == 0 && Chunks >= 2, "a power of two");
  // Rows of 128 bytes and more start in the same bank; of shorter ones only every 2nd or 4th.
  constexpr u32 rows_of_a_line = Chunks >= 8 ? 1 : 8 / Chunks;
  constexpr u32 mask = Chunks >= 8 ? 7 : Chunks - 1;
  return (row * Chunks + (chunk ^ (row / rows_of_a_line & mask))) * 16;
}

// A generic address of shared memory as the 32 bits that instructions on shared memory take.
__device__ __forceinline__ u32 shared_address(const void *address) {
#if defined(TRANSFORMER_EMULATION)
  (void)address;
  return 0;
#else
  u64 result;
  asm("cvta.to.shared.u64 %0, %1;" : "=l"(result) : "l"(address));
  return u32(result);
#endif
}

// d += a·b.
template <typename T>
__device__ __forceinline__ void multiply_tiles(float (&d)[4], const u32 (&a)[4], u32 b0, u32 b1) {
#if defined(TRANSFORMER_EMULATION)
  auto low = [](u32 pair) { return to_float(T{u16(pair)}); };
  auto high = [](u32 pair) { return to_float(T{u16(pair >> 16)}); };
  struct Fragments {
    float a[8], b[4]; // the pairs' elements in order
  } own = {{low(a[0]), high(a[0]), low(a[1]), high(a[1]), low(a[2]), high(a[2]), low(a[3]),
            high(a[3])},
           {low(b0), high(b0), low(b1), high(b1)}};
  const void *const *all = emulation::exchange(all_lanes, &own, sizeof(own));
  u32 lane = emulation::lane(), g = lane / 4, t = lane % 4;
  for (u32 k = 0; k < 16; k++) {
    u32 owner = k % 8 / 2, half = k % 2, upper = k / 8;
    const float *rows = static_cast<const Fragments *>(all[4 * g + owner])->a + 4 * upper + half;
    for (u32 column = 0; column < 2; column++) {
      const void *from = all[4 * (2 * t + column) + owner];
      float factor = static_cast<const Fragments *>(from)->b[2 * upper + half];
      d[column] = multiply_add(rows[0], factor, d[column]);
      d[2 + column] = multiply_add(rows[2], factor, d[2 + column]);
    }
  }
#elif __CUDA_ARCH__ >= 800
  if constexpr (!is_bf16<T>)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
        "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  static_assert(!is_bf16<T>, "bf16 tiles need sm_80");
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5}, {%8}, {%0, %1, %2, %3};\n\t"
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%6, %7}, {%9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#endif
}

// Four 8×8 matrices of 16-bit elements: lane l hands in the offset of row l % 8 of matrix l / 8, and
// gets of each matrix the pair 2t of row g; transposed: of column g the rows 2t and 2t + 1. Offsets
// are added in 32 bits, to a tile's address that is converted once.
__device__ __forceinline__ void load_matrices(u32 (&result)[4], const u8 *tile, u32 offset) {
#if defined(TRANSFORMER_EMULATION)
  const u8 *row = tile + offset;
  if (reinterpret_cast<u64>(row) % 16) emulation::fail("a row of ldmatrix is not aligned");
  const void *const *all = emulation::exchange(all_lanes, row, 16);
  u32 g = emulation::lane() / 4, t = emulation::lane() % 4;
  for (u32 i = 0; i < 4; i++) result[i] = static_cast<const u32 *>(all[8 * i + g])[t];
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(result[0]), "=r"(result[1]), "=r"(result[2]), "=r"(result[3])
               : "r"(shared_address(tile) + offset)
               : "memory");
#endif
}

__device__ __forceinline__ void load_matrices_transposed(
    u32 (&result)[4], const u8 *tile, u32 offset) {
#if defined(TRANSFORMER_EMULATION)
  const u8 *row = tile + offset;
  if (reinterpret_cast<u64>(row) % 16) emulation::fail("a row of ldmatrix is not aligned");
  const void *const *all = emulation::exchange(all_lanes, row, 16);
  u32 g = emulation::lane() / 4, t = emulation::lane() % 4;
  for (u32 i = 0; i < 4; i++) {
    u32 low = static_cast<const u16 *>(all[8 * i + 2 * t])[g];
    u32 high = static_cast<const u16 *>(all[8 * i + 2 * t + 1])[g];
    result[i] = low | high << 16;
  }
#else
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(result[0]), "=r"(result[1]), "=r"(result[2]), "=r"(result[3])
               : "r"(shared_address(tile) + offset)
               : "memory");
#endif
}

// a: rows [row, row + 16) and [k, k + 16) of a tile [row][k]; row and k are multiples of 8.
template <u32 Chunks>
__device__ __forceinline__ void load_a(u32 (&a)[4], const u8 *tile, u32 row, u32 k) {
  u32 lane = threadIdx.x % 32;
  load_matrices(a, tile, tile_offset<Chunks>(row + lane % 16, k / 8 + lane / 16));
}

// The same of a tile [k][row].
template <u32 Chunks>
__device__ __forceinline__ void load_a_transposed(u32 (&a)[4], const u8 *tile, u32 row, u32 k) {
  u32 lane = threadIdx.x % 32, matrix = lane / 8;
  load_matrices_transposed(
      a, tile, tile_offset<Chunks>(k + lane % 8 + matrix / 2 * 8, row / 8 + matrix % 2));
}

// Two b: columns [column, column + 8) in b[0], b[1] and [column + 8, column + 16) in b[2], b[3], of
// a tile [column][k].
template <u32 Chunks>
__device__ __forceinline__ void load_b(u32 (&b)[4], const u8 *tile, u32 column, u32 k) {
  u32 lane = threadIdx.x % 32, matrix = lane / 8;
  load_matrices(
      b, tile, tile_offset<Chunks>(column + lane % 8 + matrix / 2 * 8, k / 8 + matrix % 2));
}

// The same of a tile [k][column].
template <u32 Chunks>
__device__ __forceinline__ void load_b_transposed(u32 (&b)[4], const u8 *tile, u32 column, u32 k) {
  u32 lane = threadIdx.x % 32;
  load_matrices_transposed(
      b, tile, tile_offset<Chunks>(k + lane % 16, column / 8 + lane / 16));
}

// Two floats rounded to nearest even, the first in the low half.
template <typename T> __device__ __forceinline__ u32 as_pair(float low, float high) {
#if TRANSFORMER_SM80
  u32 result;
  if constexpr (!is_bf16<T>)
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  else asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(result) : "f"(high), "f"(low));
  return result;
#else
  return u32(from_float<T>(high).bits) << 16 | from_float<T>(low).bits;
#endif
}

// The d of columns [0, 8) and [8, 16) as the a of a product over these 16.
template <typename T>
__device__ __forceinline__ void as_a(u32 (&a)[4], const float (&left)[4], const float (&right)[4]) {
  a[0] = as_pair<T>(left[0], left[1]);
  a[1] = as_pair<T>(left[2], left[3]);
  a[2] = as_pair<T>(right[0], right[1]);
  a[3] = as_pair<T>(right[2], right[3]);
}

// `bytes` bytes to shared memory, 0 to 16, and zeros up to 16. Both addresses are multiples of 16;
// with 0 bytes nothing is read. Bytes is a multiple of 2.
__device__ __forceinline__ void copy_async(void *shared, const void *global, u32 bytes) {
#if defined(TRANSFORMER_EMULATION)
  emulation::copy_async(shared, global, bytes, 16);
#elif TRANSFORMER_SM80
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
               "l"(global), "r"(bytes)
               : "memory");
#else
  Words words = {};
  if (bytes == 16) words = load_words(global);
  else {
#pragma unroll
    for (u32 i = 0; i < 8; i++)
      if (2 * i < bytes)
        words.words[i / 2] |= u32(static_cast<const u16 *>(global)[i]) << (i % 2 * 16);
  }
  *static_cast<Chunk<u32> *>(shared) = bits_as<Chunk<u32>>(words);
#endif
}

// 16 bytes, or zeros, to an offset of a tile, which is added as load_matrices does it.
__device__ __forceinline__ void copy_async_chunk(
    u8 *tile, u32 offset, const void *global, bool inside) {
#if defined(TRANSFORMER_EMULATION)
  emulation::copy_async(tile + offset, global, inside ? 16 : 0, 16);
#elif TRANSFORMER_SM80
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(tile) + offset),
               "l"(global), "r"(inside ? 16 : 0)
               : "memory");
#else
  Words words = {};
  if (inside) words = load_words(global);
  *reinterpret_cast<Chunk<u32> *>(tile + offset) = bits_as<Chunk<u32>>(words);
#endif
}

// One float, or zero: for rows that do not start on 16 bytes.
__device__ __forceinline__ void copy_async(float *shared, const float *global, bool inside) {
#if defined(TRANSFORMER_EMULATION)
  emulation::copy_async(shared, global, inside ? 4 : 0, 4);
#elif TRANSFORMER_SM80
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(shared)),
               "l"(global), "r"(inside ? 4 : 0)
               : "memory");
#else
  *shared = inside ? *global : 0;
#endif
}

__device__ __forceinline__ void copy_async_commit() {
#if defined(TRANSFORMER_EMULATION)
  emulation::commit_copies();
#elif TRANSFORMER_SM80
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

template <u32 Pending> __device__ __forceinline__ void copy_async_wait() {
#if defined(TRANSFORMER_EMULATION)
  emulation::wait_for_copies(Pending);
#elif TRANSFORMER_SM80
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
#endif
}
