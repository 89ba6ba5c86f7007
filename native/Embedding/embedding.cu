// output[r] = scale·table[ids[r]] + positions[position(r)] + segments[segment_ids[r]];
// position(r) is position_ids[r], or r mod length.
//
// Shapes: ids, position_ids, segment_ids [rows]; tables [their rows, width]; output [rows, width];
//   contiguous.
// Work: a warp a row, 16 bytes a lane at a time; element by element where rows start off 16 bytes.
// Registers: two chunks. Shared: none.
// Bytes: up to three table rows read and one row written a token.
// Numerics: float, one rounding on writing. An id outside its table makes its row NaN; nothing is
//   read out of bounds.
// Source: Vaswani et al. 2017, §3.4.
#include "../include/numbers.cuh"

struct EmbeddingForward {
  const void *table, *positions, *segments;
  void *output;
  const i32 *ids, *position_ids, *segment_ids;
  i32 rows, length, width;
  i32 table_rows, position_rows, segment_rows;
  i32 aligned;
  float scale;
};

template <typename T>
__device__ __forceinline__ void embedding_forward(const EmbeddingForward &p) {
  constexpr u32 count = chunk<T>;
  u32 row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x % 32;
  if (row >= u32(p.rows)) return;
  u32 width = u32(p.width);
  u32 id = u32(p.ids[row]);
  u32 position = p.position_ids ? u32(p.position_ids[row]) : row % u32(p.length);
  u32 segment = p.segment_ids ? u32(p.segment_ids[row]) : 0;
  bool valid = id < u32(p.table_rows) && (!p.positions || position < u32(p.position_rows)) &&
               (!p.segments || segment < u32(p.segment_rows));
  if (!valid) id = position = segment = 0;
  auto row_of = [=](const void *table, u32 index) {
    return table ? static_cast<const T *>(table) + u64(index) * width : nullptr;
  };
  const T *token_row = row_of(p.table, id), *position_row = row_of(p.positions, position);
  const T *segment_row = row_of(p.segments, segment);
  T *output = static_cast<T *>(p.output) + u64(row) * width;
  float scale = valid ? p.scale : not_a_number();
  if (p.aligned) {
    for (u32 start = lane * count; start < width; start += 32 * count) {
      float sum[count], added[count];
      load_chunk(token_row, start, width, sum);
#pragma unroll
      for (u32 i = 0; i < count; i++) sum[i] *= scale;
      if (position_row) {
        load_chunk(position_row, start, width, added);
#pragma unroll
        for (u32 i = 0; i < count; i++) sum[i] += added[i];
      }
      if (segment_row) {
        load_chunk(segment_row, start, width, added);
#pragma unroll
        for (u32 i = 0; i < count; i++) sum[i] += added[i];
      }
      store_chunk(output, start, width, sum);
    }
    return;
  }
  for (u32 i = lane; i < width; i += 32) {
    float sum = to_float(token_row[i]) * scale;
    if (position_row) sum += to_float(position_row[i]);
    if (segment_row) sum += to_float(segment_row[i]);
    output[i] = from_float<T>(sum);
  }
}

extern "C" __global__ void __launch_bounds__(256)
embedding_forward_f32(ARGUMENT(EmbeddingForward, p)) {
  embedding_forward<float>(p);
}
extern "C" __global__ void __launch_bounds__(256)
embedding_forward_f16(ARGUMENT(EmbeddingForward, p)) {
  embedding_forward<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256)
embedding_forward_bf16(ARGUMENT(EmbeddingForward, p)) {
  embedding_forward<bf16>(p);
}
