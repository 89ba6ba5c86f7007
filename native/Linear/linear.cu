// The products of linear layers, with what follows them in the epilogue:
//   forward          x = input·weightᵀ + bias; pre-activation = x; output = f(x)
//   input gradient   g·weight, or (g·weight) ⊙ f′(kept) with f(kept) beside it
//   weight gradient  output += gᵀ·input
// and what a backward pass needs besides: g = gradient ⊙ f′(kept), and column sums.
//
// Shapes: a product is m×n over k. Forward: a = input [m, k], b = weight [n, k]. Input gradient:
//   a = g [m, k], b = weight [k, n]. Weight gradient: a = g [k, m], b = input [k, n]. Contiguous.
// Work: product.cuh; blocks of neighbouring tiles run together, so that L2 serves their operands.
//   Where there are too few tiles for the device, k is split over blockIdx.y: the parts lie in
//   scratch until linear_combine adds them in order. Forward for few rows: few_rows.cuh.
// Shared: product.cuh; the epilogue takes half a tile at a time through it, so that rows leave in
//   whole 4-element pieces whatever the accumulators' layout. Registers: product.cuh.
// Bytes: epilogue.cuh: output once; second, kept, output before, where present, once.
// Numerics: float until one rounding of each output; epilogue.cuh.
// Preconditions: m, n, k ≥ 1; bf16 products need sm_80.
// Source: the formulas of Transformer.Ops.LinearForward, LinearBackward.
#include "../include/reduce.cuh"
#include "epilogue.cuh"
#include "few_rows.cuh"
#include "order.cuh"
#include "product.cuh"

template <typename T, Along A, Along B, Epilogue Kind, u32 Size>
__device__ __forceinline__ void linear_product(const LinearProduct &p, u8 *shared) {
  if constexpr (is_bf16<T> && !has_bf16_tiles) return;
  else {
    u32 m = u32(p.m), n = u32(p.n), k = u32(p.k);
    u32 tile_rows = (m + Size - 1) / Size, tile_columns = (n + Size - 1) / Size;
    TilePlace place = tile_place(blockIdx.x, tile_rows, tile_columns);
    u32 first_row = place.row * Size, first_column = place.column * Size;
    u32 start = blockIdx.y * u32(p.split);
    u32 end = k - start < u32(p.split) ? k : start + u32(p.split);

    typename TileOf<T, Size>::Type tile;
    multiply_block<T, A, B, Size>(
        tile, Operand<T>{static_cast<const T *>(p.a), m, k, p.a_whole != 0},
        Operand<T>{static_cast<const T *>(p.b), n, k, p.b_whole != 0}, first_row, first_column,
        start, end, shared);

    // A pitch of 8 more than a multiple of 32 words: the accumulators' pairs meet no bank twice.
    constexpr u32 pitch = Size + 8, fours = Size / 4, threads = block_threads<T, Size>;
    float *staged = reinterpret_cast<float *>(shared);
    u32 four = threadIdx.x % fours * 4, column = first_column + four;
    u32 count = column >= n ? 0 : n - column < 4 ? n - column : 4;
    float bias[4] = {};
    if (p.bias && !p.partial && count)
      load_four(bias, static_cast<const T *>(p.bias) + column, p.whole, count);
#pragma unroll 1
    for (u32 half = 0; half < 2; half++) {
      tile.template store_half<A, B>(staged, pitch, half);
      __syncthreads();
#pragma unroll 1
      for (u32 line = threadIdx.x / fours; line < Size / 2; line += threads / fours) {
        u32 row = first_row + half * (Size / 2) + line;
        if (row >= m || count == 0) break;
        Chunk<float> sums = *reinterpret_cast<Chunk<float> *>(staged + line * pitch + four);
        u64 at = u64(row) * n + column;
        if (p.partial)
          store_four(p.partial + blockIdx.y * (u64(m) * n) + at, sums.values, n % 4 == 0, count);
        else finish<T, Kind>(p, sums.values, bias, at, p.whole, count);
      }
      __syncthreads();
    }
  }
}

// Adds the parts of a split product and finishes it: a thread 4 elements of a row.
template <typename T> __device__ __forceinline__ void linear_combine(const LinearProduct &p) {
  u32 n = u32(p.n), fours = (n + 3) / 4;
  u64 id = u64(blockIdx.x) * blockDim.x + threadIdx.x;
  if (id >= u64(p.m) * fours) return;
  u64 row = id / fours;
  u32 column = u32(id - row * fours) * 4, count = n - column < 4 ? n - column : 4;
  u64 at = row * n + column, size = u64(p.m) * n;
  float sums[4] = {}, bias[4] = {};
  for (u32 part = 0; part < u32(p.splits); part++) {
    float values[4];
    load_four(values, p.partial + part * size + at, n % 4 == 0, count);
#pragma unroll
    for (u32 i = 0; i < 4; i++) sums[i] += values[i];
  }
  if (p.bias) load_four(bias, static_cast<const T *>(p.bias) + column, p.whole, count);
  switch (p.epilogue) {
  case Epilogue::activate: return finish<T, Epilogue::activate>(p, sums, bias, at, p.whole, count);
  case Epilogue::derivative:
    return finish<T, Epilogue::derivative>(p, sums, bias, at, p.whole, count);
  case Epilogue::accumulate:
    return finish<T, Epilogue::accumulate>(p, sums, bias, at, p.whole, count);
  }
}

struct LinearGradient {
  const void *gradient, *kept; // [rows, width]; kept null: f′ = 1
  void *product;               // [rows, width]: gradient ⊙ f′(kept); null: not written
  float *partial;              // [slices, width]: column sums of each slice; null: not written
  void *sums;                  // [width], added to by linear_column_sums
  i32 rows, width;
  i32 slice, slices;           // rows of a slice; their number
  i32 whole;                   // rows of gradient, kept and product start on 4 elements
  Activation activation;
};

// Gradient behind the activation and its column sums. A block takes 128 columns of a slice: 32
// threads side by side with 4 columns each, 8 rows at a time.
template <typename T>
__device__ __forceinline__ void linear_gradient(const LinearGradient &p, float *shared) {
  u32 lane = threadIdx.x % 32, rank = threadIdx.x / 32, width = u32(p.width);
  u32 column = blockIdx.x * 128 + lane * 4;
  u32 count = column >= width ? 0 : width - column < 4 ? width - column : 4;
  u32 first = blockIdx.y * u32(p.slice), rows = u32(p.rows);
  u32 end = rows - first < u32(p.slice) ? rows : first + u32(p.slice);
  float sums[4] = {};
  for (u32 row = first + rank; count && row < end; row += 8) {
    u64 at = u64(row) * width + column;
    float values[4];
    load_four(values, static_cast<const T *>(p.gradient) + at, p.whole, count);
    if (p.kept) {
      float kept[4], unused;
      load_four(kept, static_cast<const T *>(p.kept) + at, p.whole, count);
#pragma unroll
      for (u32 i = 0; i < 4; i++) values[i] *= activation_derivative(p.activation, kept[i], unused);
    }
    if (p.product) store_four(static_cast<T *>(p.product) + at, values, p.whole, count);
#pragma unroll
    for (u32 i = 0; i < 4; i++) sums[i] += values[i];
  }
  if (!p.partial) return;
  *reinterpret_cast<Chunk<float> *>(shared + threadIdx.x * 4) =
      Chunk<float>{{sums[0], sums[1], sums[2], sums[3]}};
  __syncthreads();
  column = blockIdx.x * 128 + threadIdx.x;
  if (threadIdx.x >= 128 || column >= width) return;
  float sum = 0;
#pragma unroll
  for (u32 i = 0; i < 8; i++) sum += shared[i * 128 + threadIdx.x];
  p.partial[u64(blockIdx.y) * width + column] = sum;
}

// sums += the slices' sums, in order; a thread a column.
template <typename T> __device__ __forceinline__ void linear_column_sums(const LinearGradient &p) {
  u32 column = blockIdx.x * blockDim.x + threadIdx.x;
  if (column >= u32(p.width)) return;
  float sum = 0;
#pragma unroll 4
  for (u32 i = 0; i < u32(p.slices); i++) sum += p.partial[u64(i) * u32(p.width) + column];
  T *sums = static_cast<T *>(p.sums);
  sums[column] = from_float<T>(to_float(sums[column]) + sum);
}

extern "C" __global__ void __launch_bounds__(256, 2)
linear_forward_f32_tile_128(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<float, Along::k, Along::k, Epilogue::activate, 128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(64)
linear_forward_f32_tile_64(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<float, Along::k, Along::k, Epilogue::activate, 64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(256, 2)
linear_input_gradient_f32_tile_128(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<float, Along::k, Along::rows, Epilogue::derivative, 128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(64)
linear_input_gradient_f32_tile_64(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<float, Along::k, Along::rows, Epilogue::derivative, 64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(256, 2)
linear_weight_gradient_f32_tile_128(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<float, Along::rows, Along::rows, Epilogue::accumulate, 128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(64)
linear_weight_gradient_f32_tile_64(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<float, Along::rows, Along::rows, Epilogue::accumulate, 64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
linear_forward_f32_few_rows(ARGUMENT(LinearProduct, p)) {
  linear_few_rows<float>(p);
}

extern "C" __global__ void __launch_bounds__(256)
linear_combine_f32(ARGUMENT(LinearProduct, p)) {
  linear_combine<float>(p);
}

extern "C" __global__ void __launch_bounds__(256)
linear_gradient_f32(ARGUMENT(LinearGradient, p)) {
  SHARED_MEMORY(shared);
  linear_gradient<float>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(256)
linear_column_sums_f32(ARGUMENT(LinearGradient, p)) {
  linear_column_sums<float>(p);
}

extern "C" __global__ void __launch_bounds__(128, 2)
linear_forward_f16_tile_128(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<f16, Along::k, Along::k, Epilogue::activate, 128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
linear_forward_f16_tile_64(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<f16, Along::k, Along::k, Epilogue::activate, 64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128, 2)
linear_input_gradient_f16_tile_128(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<f16, Along::k, Along::rows, Epilogue::derivative, 128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
linear_input_gradient_f16_tile_64(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<f16, Along::k, Along::rows, Epilogue::derivative, 64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128, 2)
linear_weight_gradient_f16_tile_128(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<f16, Along::rows, Along::rows, Epilogue::accumulate, 128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
linear_weight_gradient_f16_tile_64(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<f16, Along::rows, Along::rows, Epilogue::accumulate, 64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
linear_forward_f16_few_rows(ARGUMENT(LinearProduct, p)) {
  linear_few_rows<f16>(p);
}

extern "C" __global__ void __launch_bounds__(256)
linear_combine_f16(ARGUMENT(LinearProduct, p)) {
  linear_combine<f16>(p);
}

extern "C" __global__ void __launch_bounds__(256)
linear_gradient_f16(ARGUMENT(LinearGradient, p)) {
  SHARED_MEMORY(shared);
  linear_gradient<f16>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(256)
linear_column_sums_f16(ARGUMENT(LinearGradient, p)) {
  linear_column_sums<f16>(p);
}

extern "C" __global__ void __launch_bounds__(128, 2)
linear_forward_bf16_tile_128(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<bf16, Along::k, Along::k, Epilogue::activate, 128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
linear_forward_bf16_tile_64(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<bf16, Along::k, Along::k, Epilogue::activate, 64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128, 2)
linear_input_gradient_bf16_tile_128(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<bf16, Along::k, Along::rows, Epilogue::derivative, 128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
linear_input_gradient_bf16_tile_64(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<bf16, Along::k, Along::rows, Epilogue::derivative, 64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128, 2)
linear_weight_gradient_bf16_tile_128(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<bf16, Along::rows, Along::rows, Epilogue::accumulate, 128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
linear_weight_gradient_bf16_tile_64(ARGUMENT(LinearProduct, p)) {
  SHARED_MEMORY(shared);
  linear_product<bf16, Along::rows, Along::rows, Epilogue::accumulate, 64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
linear_forward_bf16_few_rows(ARGUMENT(LinearProduct, p)) {
  linear_few_rows<bf16>(p);
}

extern "C" __global__ void __launch_bounds__(256)
linear_combine_bf16(ARGUMENT(LinearProduct, p)) {
  linear_combine<bf16>(p);
}

extern "C" __global__ void __launch_bounds__(256)
linear_gradient_bf16(ARGUMENT(LinearGradient, p)) {
  SHARED_MEMORY(shared);
  linear_gradient<bf16>(p, reinterpret_cast<float *>(shared));
}

extern "C" __global__ void __launch_bounds__(256)
linear_column_sums_bf16(ARGUMENT(LinearGradient, p)) {
  linear_column_sums<bf16>(p);
}
