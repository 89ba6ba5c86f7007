// c = a·b by the operations of hopper.cuh, for their test.
//
// Shapes: a 56×56, b 56×120, of f16 or bf16; c 64×128 in float, zeros beyond. a is stored [row][k],
//   or [k][row] where a_across; b [column][k], or [k][column] where b_across.
// Work: one block of two warpgroups: a thread of the first copies, the second multiplies; in two
//   turns over 32 of k through one stage, so that it must come free in between.
// Shared: 1 KiB to align, tiles of 8 and 16 KiB, two mbarriers.
#include "../include/hopper.cuh"

enum class Forgotten : i32 { nothing, full_wait, products_wait, fence, empty_wait, alignment };

struct HopperTiles {
  TensorMap a, b;
  float *c;
  i32 a_across, b_across, a_in_registers;
  Forgotten forgotten;
};

template <typename T, bool AcrossA, bool AcrossB>
__device__ __forceinline__ void multiply_stage(
    float (&d)[16][4], u32 a, u32 b) {
  u64 first = AcrossA ? tile_across_k(a, 8192) : tile_of_k(a);
  u64 second = AcrossB ? tile_across_k(b, 8192) : tile_of_k(b);
#pragma unroll
  for (u32 k = 0; k < 2; k++)
    multiply_warpgroup<T, true, AcrossA, AcrossB>(
        d, tile_after(first, k * (AcrossA ? 2048 : 32)),
        tile_after(second, k * (AcrossB ? 2048 : 32)));
}

template <typename T>
__device__ __forceinline__ void hopper_tiles(const HopperTiles &p, u64 maps, u8 *shared) {
  if constexpr (!has_hopper) return;
  else {
    u32 window = window_address(shared);
    u32 start = p.forgotten == Forgotten::alignment ? window : (window + 1023) / 1024 * 1024;
    u8 *tile = shared + (start - window);
    u32 a = start, b = a + 8192, full = b + 16384, empty = full + 8;
    if (threadIdx.x == 0) {
      barrier_initialise(full, 1);
      barrier_initialise(empty, 4);
      barriers_are_initialised();
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      u64 b_map = maps + sizeof(TensorMap);
      for (i32 turn = 0; turn < 2; turn++) {
        if (p.forgotten != Forgotten::empty_wait) barrier_wait(empty, u32(turn) ^ 1);
        barrier_arrive(full, 8192 + 16384);
        i32 k = 32 * turn;
        if (p.a_across) copy_box(a, maps, full, 0, k);
        else copy_box(a, maps, full, k, 0);
        if (p.b_across) {
          copy_box(b, b_map, full, 0, k);
          copy_box(b + 8192, b_map, full, 64, k);
        } else copy_box(b, b_map, full, k, 0);
      }
    } else if (threadIdx.x >= 128) {
      u32 thread = threadIdx.x - 128, row = thread / 32 * 16 + thread % 32 / 4;
      float d[16][4] = {};
      for (u32 turn = 0; turn < 2; turn++) {
        if (p.forgotten != Forgotten::full_wait) barrier_wait(full, turn);
        u32 fragments[2][4];
        for (u32 k = 0; k < 2; k++) load_a<8>(fragments[k], tile, thread / 32 * 16, 16 * k);
        if (p.forgotten != Forgotten::fence) products_fence();
        if (p.a_in_registers) {
          for (u32 k = 0; k < 2; k++)
            multiply_warpgroup<T, false>(d, fragments[k], tile_after(tile_of_k(b), 32 * k));
        } else if (p.a_across && p.b_across) multiply_stage<T, true, true>(d, a, b);
        else if (p.a_across) multiply_stage<T, true, false>(d, a, b);
        else if (p.b_across) multiply_stage<T, false, true>(d, a, b);
        else multiply_stage<T, false, false>(d, a, b);
        products_commit();
        if (p.forgotten != Forgotten::products_wait) products_wait<0>();
        named_barrier_wait(1, 128);
        if (thread % 32 == 0) barrier_arrive(empty);
      }
      for (u32 i = 0; i < 64; i++)
        p.c[(row + i / 2 % 2 * 8) * 128 + i / 4 * 8 + thread % 4 * 2 + i % 2] = d[i / 4][i % 4];
    }
  }
}

extern "C" __global__ void hopper_tiles_f16(ARGUMENT(HopperTiles, p)) {
  SHARED_MEMORY(shared);
  hopper_tiles<f16>(p, ARGUMENT_ADDRESS(hopper_tiles_f16, p), shared);
}

extern "C" __global__ void hopper_tiles_bf16(ARGUMENT(HopperTiles, p)) {
  SHARED_MEMORY(shared);
  hopper_tiles<bf16>(p, ARGUMENT_ADDRESS(hopper_tiles_bf16, p), shared);
}
