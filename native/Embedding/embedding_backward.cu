// target[ids[r]] += scale·gradient[r]: one table's gradient, in an order that does not depend on
// how threads run.
//
// The rows of an id are found without a sort of the ids: `count` gives every row a place among
// those of its id, in any order; `scan` makes starts of the counts; `place` writes the rows into
// lists, one behind the other; `order` puts a row where the number of smaller ones in its list
// says, which is the same place in every run. `gather` then sums up to 64 rows of a list, and
// adds the sum to the table where that is the list, else writes it as a piece; `combine` adds the
// pieces of long lists. Tables that are read by place (r mod length) take `repeat`, which needs no
// lists.
//
// Shapes: gradient [rows, width]; target [table_rows, width]; ids, places, listed, ordered [rows];
//   counts, starts [table_rows]; pieces [2·⌈rows/64⌉, width] float. Contiguous.
// Work: count, place, order: a thread a row; scan: one block of 1024; gather, combine, repeat: a
//   warp a piece, list or table row and 32 chunks (blockIdx.y), 8 warps a block; lane by lane where
//   rows start off 16 bytes.
// Registers: a chunk of sums. Shared: 4 KiB in scan.
// Bytes: the gradient read once, the target's touched rows read and written once; `order` reads
//   each list once for each of its rows (from L1 or L2).
// Numerics: float sums over 64 rows, then over the pieces; one rounding on writing.
// Preconditions: counts are 0 at first. Rows with an id outside the table are left out.
// A list longer than 64 has at most one first and one later piece start in each window of 64
// places, which therefore has two slots for pieces.
#include "../include/numbers.cuh"

struct EmbeddingLists {
  const i32 *ids;
  i32 *counts, *starts, *places, *listed, *ordered;
  i32 rows, table_rows;
};

struct EmbeddingGather {
  const i32 *ids, *counts, *starts, *ordered;
  const void *gradient;
  void *target;
  float *pieces;
  i32 rows, table_rows, width, length; // length: of a sequence, for `repeat`
  i32 aligned;
  float scale;
};

static constexpr u32 piece_rows = 64;

__device__ __forceinline__ u32 thread_index() { return blockIdx.x * blockDim.x + threadIdx.x; }

extern "C" __global__ void __launch_bounds__(256) embedding_count(ARGUMENT(EmbeddingLists, p)) {
  u32 row = thread_index();
  if (row >= u32(p.rows)) return;
  u32 id = u32(p.ids[row]);
  if (id < u32(p.table_rows)) p.places[row] = atomicAdd(&p.counts[id], 1);
}

extern "C" __global__ void __launch_bounds__(1024) embedding_scan(ARGUMENT(EmbeddingLists, p)) {
  SHARED_MEMORY(shared);
  i32 *sums = reinterpret_cast<i32 *>(shared);
  u32 thread = threadIdx.x, rows = u32(p.table_rows), share = (rows + 1023) / 1024;
  u32 begin = thread * share, end = begin + share < rows ? begin + share : rows;
  i32 own = 0;
  for (u32 i = begin; i < end; i++) own += p.counts[i];
  sums[thread] = own;
  __syncthreads();
  // Each step adds the sum that lies `distance` threads before.
  for (u32 distance = 1; distance < 1024; distance *= 2) {
    i32 before = thread >= distance ? sums[thread - distance] : 0;
    __syncthreads();
    sums[thread] += before;
    __syncthreads();
  }
  i32 start = sums[thread] - own;
  for (u32 i = begin; i < end; i++) {
    p.starts[i] = start;
    start += p.counts[i];
  }
}

extern "C" __global__ void __launch_bounds__(256) embedding_place(ARGUMENT(EmbeddingLists, p)) {
  u32 row = thread_index();
  if (row >= u32(p.rows)) return;
  u32 id = u32(p.ids[row]);
  if (id < u32(p.table_rows)) p.listed[p.starts[id] + p.places[row]] = i32(row);
}

extern "C" __global__ void __launch_bounds__(256) embedding_order(ARGUMENT(EmbeddingLists, p)) {
  u32 row = thread_index();
  if (row >= u32(p.rows)) return;
  u32 id = u32(p.ids[row]);
  if (id >= u32(p.table_rows)) return;
  const i32 *list = p.listed + p.starts[id];
  i32 smaller = 0;
  for (i32 i = 0; i < p.counts[id]; i++) smaller += list[i] < i32(row);
  p.ordered[p.starts[id] + smaller] = i32(row);
}

// Sums `count` rows, of which row(k) is the k-th's number, for the lane's columns of blockIdx.y,
// and hands the sums to write(start, float (&sums)[N]), N being a chunk or 1.
template <typename T, typename Row, typename Write>
__device__ __forceinline__ void sum_rows(
    bool aligned, u32 width, u32 count, const T *rows, Row row, Write write) {
  constexpr u32 size = chunk<T>;
  u32 lane = threadIdx.x % 32, tile = blockIdx.y * 32 * size;
  if (aligned) {
    u32 start = tile + lane * size;
    float sums[size] = {};
    for (u32 k = 0; k < count; k++) {
      float values[size];
      load_chunk(rows + u64(row(k)) * width, start, width, values);
#pragma unroll
      for (u32 i = 0; i < size; i++) sums[i] += values[i];
    }
    if (start < width) write(start, sums);
    return;
  }
  u32 end = tile + 32 * size < width ? tile + 32 * size : width;
  for (u32 start = tile + lane; start < end; start += 32) {
    float sums[1] = {};
    for (u32 k = 0; k < count; k++) sums[0] += to_float(rows[u64(row(k)) * width + start]);
    write(start, sums);
  }
}

// target[start ..] += scale·sums.
template <typename T, u32 Count>
__device__ __forceinline__ void add_sums(T *target, float scale, const float (&sums)[Count]) {
  float values[Count];
  if constexpr (Count > 1) load_chunk(target, 0, Count, values);
  else values[0] = to_float(target[0]);
#pragma unroll
  for (u32 i = 0; i < Count; i++) values[i] = multiply_add(scale, sums[i], values[i]);
  if constexpr (Count > 1) store_chunk(target, 0, Count, values);
  else target[0] = from_float<T>(values[0]);
}

// Where the piece that starts at place `at` of the lists lies.
__device__ __forceinline__ u32 piece_slot(u32 at, bool first) {
  return 2 * (at / piece_rows) + (first ? 0 : 1);
}

template <typename T> __device__ __forceinline__ void embedding_gather(const EmbeddingGather &p) {
  u32 at = (blockIdx.x * blockDim.x + threadIdx.x) / 32, width = u32(p.width);
  // Behind the last list lie as many unused places as there are rows without a valid id.
  u32 last = u32(p.table_rows) - 1;
  if (at >= u32(p.starts[last] + p.counts[last])) return;
  u32 id = u32(p.ids[p.ordered[at]]), start = u32(p.starts[id]), listed = u32(p.counts[id]);
  u32 behind = at - start;
  if (behind % piece_rows != 0) return;
  u32 count = listed - behind < piece_rows ? listed - behind : piece_rows;
  auto row = [&](u32 k) { return u32(p.ordered[at + k]); };
  T *target = static_cast<T *>(p.target) + u64(id) * width;
  float *piece = p.pieces + u64(piece_slot(at, behind == 0)) * width;
  sum_rows(p.aligned != 0, width, count, static_cast<const T *>(p.gradient), row,
           [&](u32 column, const auto &sums) {
             if (listed <= piece_rows) return add_sums(target + column, p.scale, sums);
             for (u32 i = 0; i < sizeof(sums) / sizeof(float); i++) piece[column + i] = sums[i];
           });
}

template <typename T> __device__ __forceinline__ void embedding_combine(const EmbeddingGather &p) {
  u32 id = (blockIdx.x * blockDim.x + threadIdx.x) / 32, width = u32(p.width);
  if (id >= u32(p.table_rows) || u32(p.counts[id]) <= piece_rows) return;
  u32 start = u32(p.starts[id]), count = (u32(p.counts[id]) + piece_rows - 1) / piece_rows;
  u32 lane = threadIdx.x % 32, tile = blockIdx.y * 32 * chunk<T>;
  u32 end = tile + 32 * chunk<T> < width ? tile + 32 * chunk<T> : width;
  T *target = static_cast<T *>(p.target) + u64(id) * width;
  for (u32 column = tile + lane; column < end; column += 32) {
    float sums[1] = {};
    for (u32 k = 0; k < count; k++)
      sums[0] += p.pieces[u64(piece_slot(start + k * piece_rows, k == 0)) * width + column];
    add_sums(target + column, p.scale, sums);
  }
}

template <typename T> __device__ __forceinline__ void embedding_repeat(const EmbeddingGather &p) {
  u32 place = (blockIdx.x * blockDim.x + threadIdx.x) / 32, width = u32(p.width);
  u32 length = u32(p.length);
  if (place >= length) return;
  T *target = static_cast<T *>(p.target) + u64(place) * width;
  sum_rows(p.aligned != 0, width, u32(p.rows) / length, static_cast<const T *>(p.gradient),
           [=](u32 k) { return k * length + place; },
           [&](u32 column, const auto &sums) { add_sums(target + column, p.scale, sums); });
}

extern "C" __global__ void __launch_bounds__(256)
embedding_gather_f32(ARGUMENT(EmbeddingGather, p)) {
  embedding_gather<float>(p);
}
extern "C" __global__ void __launch_bounds__(256)
embedding_gather_f16(ARGUMENT(EmbeddingGather, p)) {
  embedding_gather<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256)
embedding_gather_bf16(ARGUMENT(EmbeddingGather, p)) {
  embedding_gather<bf16>(p);
}

extern "C" __global__ void __launch_bounds__(256)
embedding_combine_f32(ARGUMENT(EmbeddingGather, p)) {
  embedding_combine<float>(p);
}
extern "C" __global__ void __launch_bounds__(256)
embedding_combine_f16(ARGUMENT(EmbeddingGather, p)) {
  embedding_combine<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256)
embedding_combine_bf16(ARGUMENT(EmbeddingGather, p)) {
  embedding_combine<bf16>(p);
}

extern "C" __global__ void __launch_bounds__(256)
embedding_repeat_f32(ARGUMENT(EmbeddingGather, p)) {
  embedding_repeat<float>(p);
}
extern "C" __global__ void __launch_bounds__(256)
embedding_repeat_f16(ARGUMENT(EmbeddingGather, p)) {
  embedding_repeat<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256)
embedding_repeat_bf16(ARGUMENT(EmbeddingGather, p)) {
  embedding_repeat<bf16>(p);
}
