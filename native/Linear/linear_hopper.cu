// The three products of linear.cu for f16 and bf16 on Hopper (sm_90a), with its epilogues: the copy
// engine fills a ring of operand tiles, two warpgroups multiply.
//
// Shapes: linear.cu; a product is m×n over k. An operand lies along k ([rows, k]) or across it
//   ([k, rows]); descriptors take either, so nothing is transposed.
// Work: as many blocks as multiprocessors stay and go over tiles of 128×128 (and parts of k, where
//   it is split) in the order of order.cuh. Warpgroup 0 gives its registers away, and one of its
//   threads asks for 64 of k at a time; warpgroups 1 and 2 own 64 rows each. While they finish
//   a tile, the next one's operands arrive.
// Registers: 64 sums a thread of 240; the asking warpgroup 24.
// Shared: 4 stages of 16 + 16 KiB; 8.5 KiB a warp, by which a tile's rows leave whole; barriers.
// Bytes: 2·128·k elements a tile, from L2 where neighbours run together; epilogue.cuh.
// Numerics: as linear.cu. What lies beyond m, n or k is filled with zeros by the copy engine.
// Preconditions: tensor maps [k, rows] with boxes of 64×128, across [rows, k] with 64×64, in
//   the 128-byte swizzle; rows start on 16 bytes; parts of k are multiples of 64; 384 threads.
// Source: the formulas of Transformer.Ops.LinearForward, LinearBackward.
#include "../include/hopper.cuh"
#include "epilogue.cuh"
#include "order.cuh"

struct HopperProduct {
  TensorMap a, b;
  LinearProduct p;
};
static_assert(emulated || sizeof(HopperProduct) == 384, "the launch counts on it");

static constexpr u32 product_tile = 128, product_step = 64, product_stages = 4;
static constexpr u32 operand_bytes = product_tile * product_step * 2;
static constexpr u32 half_bytes = operand_bytes / 2; // 64 rows

// A warp's rows on their way out: pairs of accumulators meet no bank twice.
static constexpr u32 out_pitch = product_tile + 8, out_bytes = 16 * out_pitch * 4;

// Addresses in shared memory, the first on 1024 bytes.
struct ProductRing {
  u32 start;

  __device__ u32 a(u32 stage) const { return start + stage * 2 * operand_bytes; }
  __device__ u32 b(u32 stage) const { return a(stage) + operand_bytes; }
  __device__ u32 full(u32 stage) const {
    return start + product_stages * 2 * operand_bytes + 8 * out_bytes + 8 * stage;
  }
  __device__ u32 empty(u32 stage) const { return full(product_stages + stage); }
};

// A tile and its part of k.
struct ProductTask {
  u32 row, column, part, start, steps;
};

__device__ __forceinline__ u32 product_tiles(i32 count) {
  return (u32(count) + product_tile - 1) / product_tile;
}

__device__ __forceinline__ u32 tasks_of(const LinearProduct &p) {
  return product_tiles(p.m) * product_tiles(p.n) * u32(p.splits);
}

__device__ __forceinline__ ProductTask find_task(const LinearProduct &p, u32 number) {
  u32 tile_rows = product_tiles(p.m), tile_columns = product_tiles(p.n);
  u32 tiles = tile_rows * tile_columns;
  TilePlace place = tile_place(number % tiles, tile_rows, tile_columns);
  ProductTask task = {place.row * product_tile, place.column * product_tile, number / tiles, 0, 0};
  task.start = task.part * u32(p.split);
  u32 rest = u32(p.k) - task.start, depth = rest < u32(p.split) ? rest : u32(p.split);
  task.steps = (depth + product_step - 1) / product_step;
  return task;
}

template <bool Across>
__device__ __forceinline__ void copy_operand(u32 to, u64 map, u32 full, u32 row, u32 k) {
  if constexpr (Across) {
    copy_box(to, map, full, i32(row), i32(k));
    copy_box(to + half_bytes, map, full, i32(row + product_tile / 2), i32(k));
  } else {
    copy_box(to, map, full, i32(k), i32(row));
  }
}

// One thread asks for all operands, as stages come free.
template <bool AcrossA, bool AcrossB>
__device__ __forceinline__ void ask_for_operands(
    const LinearProduct &p, u64 a_map, u64 b_map, const ProductRing &ring) {
  u32 count = tasks_of(p), place = 0;
#pragma unroll 1
  for (u32 number = blockIdx.x; number < count; number += gridDim.x) {
    ProductTask task = find_task(p, number);
#pragma unroll 1
    for (u32 i = 0; i < task.steps; i++, place++) {
      u32 stage = place % product_stages, k = task.start + i * product_step;
      barrier_wait(ring.empty(stage), (place / product_stages & 1) ^ 1);
      barrier_arrive(ring.full(stage), 2 * operand_bytes);
      copy_operand<AcrossA>(ring.a(stage), a_map, ring.full(stage), task.row, k);
      copy_operand<AcrossB>(ring.b(stage), b_map, ring.full(stage), task.column, k);
    }
  }
}

// Where step k, 16 of a tile's 64, begins in an operand.
template <bool Across> __device__ __forceinline__ u64 operand_step(u32 tile, u32 k) {
  if constexpr (Across) return tile_after(tile_across_k(tile, half_bytes), k * 2048);
  else return tile_after(tile_of_k(tile), k * 32);
}

// One stage of a warpgroup's 64×128; the first of a sum only writes.
template <typename T, bool First, bool AcrossA, bool AcrossB>
__device__ __forceinline__ void ask_for_products(float (&sums)[16][4], u32 a, u32 b) {
  products_fence();
  multiply_warpgroup<T, !First, AcrossA, AcrossB>(
      sums, operand_step<AcrossA>(a, 0), operand_step<AcrossB>(b, 0));
#pragma unroll
  for (u32 k = 1; k < product_step / 16; k++)
    multiply_warpgroup<T, true, AcrossA, AcrossB>(
        sums, operand_step<AcrossA>(a, k), operand_step<AcrossB>(b, k));
  products_commit();
}

// A warp's 16 rows from `first_row` on leave through its part of shared memory.
template <typename T, Epilogue Kind>
__device__ __forceinline__ void finish_rows(
    const LinearProduct &p, const ProductTask &task, u32 first_row, const float (&sums)[16][4],
    float *out) {
  struct alignas(8) Pair {
    float low, high;
  };
  u32 lane = threadIdx.x % 32, m = u32(p.m), n = u32(p.n);
#pragma unroll
  for (u32 e = 0; e < 64; e += 2)
    *reinterpret_cast<Pair *>(
        out + (lane / 4 + e % 4 * 4) * out_pitch + e / 4 * 8 + lane % 4 * 2) =
        {sums[e / 4][e % 4], sums[e / 4][e % 4 + 1]};
  __syncwarp();
  u32 column = task.column + 4 * lane;
  u32 count = column >= n ? 0 : n - column < 4 ? n - column : 4;
  float bias[4] = {};
  if (p.bias && !p.partial && count)
    load_four(bias, static_cast<const T *>(p.bias) + column, p.whole, count);
#pragma unroll 1
  for (u32 line = 0; line < 16 && count; line++) {
    u32 row = first_row + line;
    if (row >= m) break;
    Chunk<float> values = *reinterpret_cast<Chunk<float> *>(out + line * out_pitch + 4 * lane);
    u64 at = u64(row) * n + column;
    if (p.partial)
      store_four(p.partial + task.part * (u64(m) * n) + at, values.values, n % 4 == 0, count);
    else finish<T, Kind>(p, values.values, bias, at, p.whole, count);
  }
  __syncwarp();
}

template <typename T, bool AcrossA, bool AcrossB, Epilogue Kind>
__device__ __forceinline__ void multiply_tasks(
    const LinearProduct &p, const ProductRing &ring, u8 *outs) {
  u32 group = threadIdx.x / 128 - 1, warp = threadIdx.x / 32 - 4, count = tasks_of(p), place = 0;
  bool signals = threadIdx.x % 32 == 0;
  float *out = reinterpret_cast<float *>(outs + warp * out_bytes);
#pragma unroll 1
  for (u32 number = blockIdx.x; number < count; number += gridDim.x) {
    ProductTask task = find_task(p, number);
    float sums[16][4];
    u32 stage = place % product_stages;
    barrier_wait(ring.full(stage), place / product_stages & 1);
    ask_for_products<T, true, AcrossA, AcrossB>(
        sums, ring.a(stage) + group * half_bytes, ring.b(stage));
#pragma unroll 1
    for (u32 i = 1; i < task.steps; i++) {
      u32 before = stage;
      place++;
      stage = place % product_stages;
      barrier_wait(ring.full(stage), place / product_stages & 1);
      ask_for_products<T, false, AcrossA, AcrossB>(
          sums, ring.a(stage) + group * half_bytes, ring.b(stage));
      products_wait<1>();
      if (signals) barrier_arrive(ring.empty(before));
    }
    products_wait<0>();
    if (signals) barrier_arrive(ring.empty(stage));
    place++;
    finish_rows<T, Kind>(p, task, task.row + warp * 16, sums, out);
  }
}

template <typename T, bool AcrossA, bool AcrossB, Epilogue Kind>
__device__ __forceinline__ void linear_hopper(
    const HopperProduct &a, u64 argument, u8 *shared) {
  if constexpr (has_hopper) {
    u32 window = window_address(shared), start = (window + 1023) / 1024 * 1024;
    ProductRing ring = {start};
    if (threadIdx.x == 0) {
#pragma unroll
      for (u32 i = 0; i < product_stages; i++) {
        barrier_initialise(ring.full(i), 1);
        barrier_initialise(ring.empty(i), 8); // warps
      }
      barriers_are_initialised();
    }
    __syncthreads();
    if (threadIdx.x < 128) {
      registers_give<24>();
      if (threadIdx.x == 0)
        ask_for_operands<AcrossA, AcrossB>(a.p, argument, argument + sizeof(TensorMap), ring);
    } else {
      registers_take<240>();
      multiply_tasks<T, AcrossA, AcrossB, Kind>(
          a.p, ring, shared + (start - window) + product_stages * 2 * operand_bytes);
    }
  }
}

extern "C" __global__ void __launch_bounds__(384, 1)
linear_hopper_forward_f16(ARGUMENT(HopperProduct, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(linear_hopper_forward_f16, a);
  linear_hopper<f16, false, false, Epilogue::activate>(a, argument, shared);
}
extern "C" __global__ void __launch_bounds__(384, 1)
linear_hopper_input_gradient_f16(ARGUMENT(HopperProduct, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(linear_hopper_input_gradient_f16, a);
  linear_hopper<f16, false, true, Epilogue::derivative>(a, argument, shared);
}
extern "C" __global__ void __launch_bounds__(384, 1)
linear_hopper_weight_gradient_f16(ARGUMENT(HopperProduct, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(linear_hopper_weight_gradient_f16, a);
  linear_hopper<f16, true, true, Epilogue::accumulate>(a, argument, shared);
}
extern "C" __global__ void __launch_bounds__(384, 1)
linear_hopper_forward_bf16(ARGUMENT(HopperProduct, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(linear_hopper_forward_bf16, a);
  linear_hopper<bf16, false, false, Epilogue::activate>(a, argument, shared);
}
extern "C" __global__ void __launch_bounds__(384, 1)
linear_hopper_input_gradient_bf16(ARGUMENT(HopperProduct, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(linear_hopper_input_gradient_bf16, a);
  linear_hopper<bf16, false, true, Epilogue::derivative>(a, argument, shared);
}
extern "C" __global__ void __launch_bounds__(384, 1)
linear_hopper_weight_gradient_bf16(ARGUMENT(HopperProduct, a)) {
  SHARED_MEMORY(shared);
  u64 argument = ARGUMENT_ADDRESS(linear_hopper_weight_gradient_bf16, a);
  linear_hopper<bf16, true, true, Epilogue::accumulate>(a, argument, shared);
}
