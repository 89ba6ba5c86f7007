// c = a·b and d = round(c)·b' by the tiles of tile.cuh, for its test.
//
// Shapes: a 32×32, b 32×16 (k × column), c and d 32×16 in float; b' is the first 16 rows of k of b,
//   transposed: d[i, j] = sum over n < 16 of c[i, n]·b[n, j]. a is stored [row][k] or, transposed,
//   [k][row]; b [column][k] or, transposed, [k][column].
// Work: one block of one warp. `forgets_wait` leaves out the wait for the copies.
// Shared: 3 KiB.
#include "../include/tile.cuh"

struct TileProduct {
  const void *a, *b;
  float *c, *d;
  i32 a_transposed, b_transposed, forgets_wait;
};

template <typename T>
__device__ __forceinline__ void tile_product(const TileProduct &p, u8 *shared) {
  if constexpr (is_bf16<T> && !has_bf16_tiles) return;
  else {
    u8 *a_tile = shared, *b_tile = shared + 2048;
    u32 lane = threadIdx.x;
    const u8 *a = static_cast<const u8 *>(p.a), *b = static_cast<const u8 *>(p.b);
    for (u32 i = lane; i < 128; i += 32)
      copy_async(a_tile + tile_offset<4>(i / 4, i % 4), a + 16 * i, 16);
    for (u32 i = lane; i < 64; i += 32) {
      u32 place = p.b_transposed ? tile_offset<2>(i / 2, i % 2) : tile_offset<4>(i / 4, i % 4);
      copy_async(b_tile + place, b + 16 * i, 16);
    }
    copy_async_commit();
    if (!p.forgets_wait) copy_async_wait<0>();
    __syncthreads();

    float c[2][2][4] = {}, d[2][2][4] = {};
    u32 first_b[4] = {};
#pragma unroll
    for (u32 k = 0; k < 32; k += 16) {
      u32 fragment[4];
      if (p.b_transposed) load_b_transposed<2>(fragment, b_tile, 0, k);
      else load_b<4>(fragment, b_tile, 0, k);
#pragma unroll
      for (u32 i = 0; i < 4; i++) first_b[i] = k == 0 ? fragment[i] : first_b[i];
#pragma unroll
      for (u32 row = 0; row < 2; row++) {
        u32 rows[4];
        if (p.a_transposed) load_a_transposed<4>(rows, a_tile, 16 * row, k);
        else load_a<4>(rows, a_tile, 16 * row, k);
        multiply_tiles<T>(c[row][0], rows, fragment[0], fragment[1]);
        multiply_tiles<T>(c[row][1], rows, fragment[2], fragment[3]);
      }
    }
#pragma unroll
    for (u32 row = 0; row < 2; row++) {
      u32 rounded[4];
      as_a<T>(rounded, c[row][0], c[row][1]);
      multiply_tiles<T>(d[row][0], rounded, first_b[0], first_b[1]);
      multiply_tiles<T>(d[row][1], rounded, first_b[2], first_b[3]);
#pragma unroll
      for (u32 i = 0; i < 8; i++) {
        u32 at = (16 * row + lane / 4 + i % 4 / 2 * 8) * 16 + i / 4 * 8 + lane % 4 * 2 + i % 2;
        p.c[at] = c[row][i / 4][i % 4];
        p.d[at] = d[row][i / 4][i % 4];
      }
    }
  }
}

extern "C" __global__ void __launch_bounds__(32) tile_product_f16(ARGUMENT(TileProduct, p)) {
  SHARED_MEMORY(shared);
  tile_product<f16>(p, shared);
}

extern "C" __global__ void __launch_bounds__(32) tile_product_bf16(ARGUMENT(TileProduct, p)) {
  SHARED_MEMORY(shared);
  tile_product<bf16>(p, shared);
}
