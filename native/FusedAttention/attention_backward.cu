// dQ = dR·K, dK = dRᵀ·Q, dV = (P ⊙ M)ᵀ·dO with dR the gradient of q·k (gradients.cuh), and
// δ = rowsum(dO ⊙ O), which the others need first.
//
// Shapes: query, key, value and their gradients [B, H, S, D or Dv] with strides, packed or paged;
//   output and its gradient alike; log_sum_exp and deltas [B, Hq, Sq] or [Hq, total].
// Work: attention_deltas: a thread a row. attention_query_gradient: a block of 128 threads owns 64
//   queries of a head and 64, 128 or 256 columns, and goes over the tiles of keys that they see.
//   attention_key_gradient: a block owns 64 keys of a key/value head and 64 or 128 columns of both
//   gradients, and goes over the query heads and tiles of queries that see them, in order. Further
//   columns are further blocks, which compute the tile again.
// Registers: 32 sums and 32 results for each 64 columns and gradient. Shared: state, two tiles of
//   64 × 80, 18 KiB of operands: 64 KiB.
// Bytes: each operand once for each 64 rows of the other side, twice where it also is summed.
//   2·(2·D + Dv) operations a pair for dQ, 2·(2·D + 2·Dv) for dK and dV; no Sq × Skv buffer.
// Numerics: float; sums in the order of heads and tiles, no atomics; weights and gradients of 0
//   skip NaN and ∞.
// Preconditions: terms.cuh; log_sum_exp is the forward pass's.
// Source: Dao et al. 2022 (FlashAttention), appendix B.2.
#include "gradients.cuh"

// A lane sums its row in the order in which dP is summed, so that both round alike: where one key
// has all the weight, their difference is 0. The warp stages 32 columns of its 32 rows at a time.
extern "C" __global__ void __launch_bounds__(128)
attention_deltas(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  u32 lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  i64 *offsets = reinterpret_cast<i64 *>(shared) + warp * 32;
  float *outputs = reinterpret_cast<float *>(shared + 128 * sizeof(i64)) + warp * 2 * 32 * 33;
  float *gradients = outputs + 32 * 33;
  u64 place = u64(blockIdx.x) * 128 + threadIdx.x, row = 0;
  offsets[lane] = -1;
  if (place < u64(p.batch) * u64(p.query_heads) * u64(p.query_length)) {
    i32 query = i32(place % u64(p.query_length));
    place /= u64(p.query_length);
    i32 head = i32(place % u64(p.query_heads));
    Sequence s = sequence_of(p, i32(place / u64(p.query_heads)));
    const Strides &o = p.output_strides;
    row = u64(row_index(p, s, head, query));
    if (query < s.queries)
      offsets[lane] =
          s.query_outer * o.batch + head * o.head + (s.query_row + query) * o.row;
  }
  __syncwarp();
  float sum = 0;
  for (u32 column = 0; column < u32(p.value_dimension); column += 32) {
    bool inside = column + lane < u32(p.value_dimension);
    for (u32 r = 0; r < 32; r++) {
      i64 at = offsets[r] + column + lane;
      bool exists = inside && offsets[r] >= 0;
      outputs[r * 33 + lane] = exists ? load_element(p.output, at, p.element_type) : 0;
      gradients[r * 33 + lane] =
          exists ? load_element(p.output_gradient, at, p.element_type) : 0;
    }
    __syncwarp();
    for (u32 c = 0; c < 32; c++)
      sum = multiply_add(gradients[lane * 33 + c], outputs[lane * 33 + c], sum);
    __syncwarp();
  }
  if (offsets[lane] >= 0) p.deltas[row] = sum;
}

template <u32 Groups>
__device__ __forceinline__ void attention_query_gradient(const AttentionArgument &p, u8 *shared) {
  BlockState &state = *reinterpret_cast<BlockState *>(shared);
  GradientTiles tiles = gradient_tiles(shared);
  u32 place = blockIdx.x;
  i32 first_query = (p.tiles - 1 - i32(place % u32(p.tiles))) * 64;
  place /= u32(p.tiles);
  u32 column = place % u32(p.slices) * 64 * Groups;
  place /= u32(p.slices);
  i32 head = i32(place % u32(p.query_heads));
  Sequence s = sequence_of(p, i32(place / u32(p.query_heads)));
  if (first_query >= s.queries) return;

  start_block(p, state);
  place_queries(p, s, state, head, first_query, 64);
  __syncthreads();
  float results[8][4 * Groups] = {};
  KeyRange range = key_range(state, 0, 64);
  for (i32 at = range.low / 64; at < (range.high + 63) / 64; at++) {
    if (!tile_is_visible(p, s, state, 64, at * 64)) continue;
    place_keys(p, s, state, head / (p.query_heads / p.key_heads), at * 64, 0, s.stored);
    __syncthreads();
    compute_gradients<true>(p, s, state, tiles, at * 64);
    add_weighted_tile<8, Groups>(
        results, tiles.gradients, p.key, state.key, column, u32(p.head_dimension),
        p.aligned & aligned_key, p.element_type, tiles.buffer, state);
  }
  store_rows<Groups>(results, p.query_gradient, state.query, column, u32(p.head_dimension),
                        p.aligned & aligned_query_gradient, p.element_type, tiles.buffer);
}

template <u32 Groups>
__device__ __forceinline__ void attention_key_gradient(const AttentionArgument &p, u8 *shared) {
  BlockState &state = *reinterpret_cast<BlockState *>(shared);
  GradientTiles tiles = gradient_tiles(shared);
  u32 place = blockIdx.x, key_tiles = u32(p.key_length + 63) / 64;
  i32 first = i32(place % key_tiles) * 64;
  place /= key_tiles;
  u32 column = place % u32(p.slices) * 64 * Groups;
  place /= u32(p.slices);
  i32 key_head = i32(place % u32(p.key_heads)), group = p.query_heads / p.key_heads;
  Sequence s = sequence_of(p, i32(place / u32(p.key_heads)));
  if (first >= s.stored) return;

  start_block(p, state);
  place_keys(p, s, state, key_head, first, 0, s.stored);
  u32 width = u32(p.head_dimension), value_width = u32(p.value_dimension);
  float key_sums[8][4 * Groups] = {}, value_sums[8][4 * Groups] = {};
  for (i32 head = key_head * group; head < (key_head + 1) * group; head++)
    for (i32 first_query = 0; first_query < s.queries; first_query += 64) {
      __syncthreads();
      place_queries(p, s, state, head, first_query, 64);
      __syncthreads();
      KeyRange range = key_range(state, 0, 64);
      if (range.high <= first || range.low >= first + 64) continue;
      if (!tile_is_visible(p, s, state, 64, first)) continue;
      // Key by key: the tiles are transposed.
      float sums[8][4];
      multiply_tiles<8>(sums, p.key, state.key, p.aligned & aligned_key, p.query, state.query,
                           p.aligned & aligned_query, width, p.element_type, tiles.buffer);
      put_scores<8>(tiles.weights, sums);
      multiply_tiles<8>(sums, p.value, state.value, p.aligned & aligned_value,
                           p.output_gradient, state.output, p.aligned & aligned_output_gradient,
                           value_width, p.element_type, tiles.buffer);
      put_scores<8>(tiles.gradients, sums);
      __syncthreads();
      shape_gradients<true>(p, s, state, tiles, 1, score_stride, first);
      __syncthreads();
      add_weighted_tile<8, Groups>(
          value_sums, tiles.weights, p.output_gradient, state.output, column, value_width,
          p.aligned & aligned_output_gradient, p.element_type, tiles.buffer, state);
      add_weighted_tile<8, Groups>(
          key_sums, tiles.gradients, p.query, state.query, column, width,
          p.aligned & aligned_query, p.element_type, tiles.buffer, state);
    }
  __syncthreads(); // without queries nothing has waited for the keys' places
  store_rows<Groups>(key_sums, p.key_gradient, state.key, column, width,
                        p.aligned & aligned_key_gradient, p.element_type, tiles.buffer);
  store_rows<Groups>(value_sums, p.value_gradient, state.value, column, value_width,
                        p.aligned & aligned_value_gradient, p.element_type, tiles.buffer);
}

extern "C" __global__ void __launch_bounds__(128)
attention_query_gradient_64_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_query_gradient<1>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_query_gradient_128_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_query_gradient<2>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_query_gradient_256_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_query_gradient<4>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_key_gradient_64_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_key_gradient<1>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_key_gradient_128_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_key_gradient<2>(p, shared);
}
