// dQ = dR·K, dK = dRᵀ·Q, dV = (P ⊙ M)ᵀ·dO on tensor cores, with dR the gradient of q·k
// (fragment_gradients.cuh). For f16 and bf16 with D and Dv up to 256; the rest is
// attention_backward.cu's, as are the deltas that these kernels need.
//
// Shapes: query, key, value and their gradients [B, H, S, D or Dv] with strides, packed or paged;
//   output gradient alike; log_sum_exp and deltas [B, Hq, Sq] or [Hq, total].
// Work: blocks of 4 warps. attention_tensor_query_gradient: a block owns 64 queries of a head, a
//   warp 16, and goes over the tiles of 64 keys (32 beyond a width of 128) that they see.
//   attention_tensor_key_gradient: a block owns 64 keys of a key/value head, a warp 16, and goes
//   over the query heads and tiles of 64 (32 beyond a width of 64) queries that see them, in order;
//   beyond a width of 128 it has room for the sums of dK or of dV, and another block computes the
//   other. Both kernels compute the tile of P and dS that way round in which it is, rounded, the
//   left operand of the next product, in registers. The next tile's rows are copied while this
//   one's are multiplied.
// Registers: a tile of P and one of dS, 32 each (16 for the smaller tiles), and Width / 2 sums for
//   each gradient. Shared: state, the block's two operands, and the tiles at hand and next; with
//   terms beyond a scale also a place for each thread's P and dS.
// Bytes: each operand once for each 64 rows of the other side. 2·(2·D + Dv) operations a pair for
//   dQ, 2·(2·D + 2·Dv) for dK and dV, 2·D more where blocks share these; no Sq × Skv buffer.
// Numerics: P and dS are rounded to the element type before they multiply; sums in float, in the
//   order of heads and tiles, no atomics. Rows that are not finite make NaN of results that they
//   have no weight in; a block that finds NaN or ∞ among its results begins again and takes what is
//   not finite for 0 where P and dS multiply it. What sees it has P or dS that is not finite.
// Preconditions: terms.cuh; log_sum_exp is the forward pass's, deltas are there.
// Source: Dao 2023 (FlashAttention-2), section 3.1.
#include "fragment_gradients.cuh"

static constexpr u32 query_state_bytes = 6016, key_state_bytes = 8064;

// What a block goes over.
struct GradientTask {
  Sequence sequence;
  i32 key_head, low, high;
};
template <u32 Rows, u32 Slots> struct GradientState : State<Rows, Slots> {
  GradientTask task;
};

// Keys of a tile that a block with the queries' sums goes over.
template <u32 Width> static constexpr u32 tile_keys = Width > 128 ? 32 : 64;

template <u32 Keys, typename State>
__device__ __forceinline__ i32 next_keys(
    const AttentionArgument &p, State &state, i32 at, i32 end, u32 slot) {
  const GradientTask &task = state.task;
  while (at < end && !tile_is_visible<Keys>(p, task.sequence, state, 64, at * i32(Keys))) at++;
  if (at < end)
    place_keys(p, task.sequence, state, task.key_head, at * i32(Keys), task.low, task.high, slot);
  return at;
}

// One pass over the keys. Shared memory: queries, output gradients, values, keys twice, slots.
template <u32 Width, typename State>
__device__ __forceinline__ void sum_query_gradient(
    const AttentionArgument &p, State &state, const KeyRange &range, const KeyRange &own,
    u8 *shared, bool careful, float (&sums)[Width / 8][4]) {
  constexpr u32 keys_each = tile_keys<Width>, columns = keys_each / 8;
  constexpr u32 rows = 64 * Width * 2, tile = keys_each * Width * 2;
  u8 *incoming = shared + rows, *values = shared + 2 * rows, *keys = values + tile;
  u32 width = u32(p.head_dimension), value_width = u32(p.value_dimension);
  u32 row = threadIdx.x / 32 * 16, slot = 0;
  bool shaped = shapes_scores(p);
#pragma unroll
  for (u32 e = 0; e < Width / 2; e++) sums[e / 4][e % 4] = 0;
  constexpr i32 each = i32(keys_each);
  i32 end = (range.high + each - 1) / each;
  i32 at = next_keys<keys_each>(p, state, range.low / each, end, slot);
  __syncthreads();
  copy_rows<Width, 64>(shared, p.query, state.query, width, p.aligned & aligned_query);
  copy_rows<Width, 64>(
      incoming, p.output_gradient, state.output, value_width, p.aligned & aligned_output_gradient);
  if (at < end) {
    copy_rows<Width, keys_each>(keys, p.key, state.key, width, p.aligned & aligned_key);
    copy_rows<Width, keys_each>(
        values, p.value, state.value, value_width, p.aligned & aligned_value);
  }
  copy_async_commit();
  while (at < end) {
    i32 first = at * each, next = next_keys<keys_each>(p, state, at + 1, end, slot ^ 1);
    bool sees = first < own.high && first + each > own.low;
    copy_async_wait<0>();
    __syncthreads(); // keys and values are there, the last keys read
    u8 *now = keys + slot * tile;
    slot ^= 1;
    if (next < end)
      copy_rows<Width, keys_each>(
          keys + slot * tile, p.key, state.key + 64 * slot, width, p.aligned & aligned_key);
    float scores[columns][4], gradients[columns][4];
    if (sees) {
      multiply_rows<Width, columns>(p.element_type, shared, row, now, scores);
      multiply_rows<Width, columns>(p.element_type, incoming, row, values, gradients);
    }
    __syncthreads(); // the values are read
    if (next < end)
      copy_rows<Width, keys_each>(
          values, p.value, state.value + 64 * slot, value_width, p.aligned & aligned_value);
    copy_async_commit();
    if (careful) {
      rewrite_tile<Width, keys_each>(now, p.element_type, Careful::without);
      __syncthreads();
    }
    if (sees) {
      GradientPlace<false> place = {row + fragment_row(), fragment_column(), first};
      u32 kept = p.drop_probability > 0 ? kept_gradients<false, columns>(p, state, place)
                                        : 0xFFFFFFFF;
      if (shaped)
        shape_gradients<false, columns>(
            p, state, place, kept, keys + 2 * tile, scores, gradients);
      else
        weigh_gradients<false, columns>(p, state, place, kept,
                                  first < own.all_low || first + each > own.all_high, scores,
                                  gradients);
      add_weighted<Width, columns>(p.element_type, gradients, now, sums);
    }
    at = next;
  }
  copy_async_wait<0>();
  __syncthreads();
}

template <u32 Width>
__device__ __forceinline__ void attention_tensor_query_gradient(
    const AttentionArgument &p, u8 *shared) {
  using BlockState = GradientState<64, 2>;
  static_assert(sizeof(BlockState) <= query_state_bytes, "the launch counts on it");
  BlockState &state = *reinterpret_cast<BlockState *>(shared);
  u8 *tiles = shared + query_state_bytes;
  u32 place = blockIdx.x;
  i32 first_query = (p.tiles - 1 - i32(place % u32(p.tiles))) * 64;
  place /= u32(p.tiles);
  i32 head = i32(place % u32(p.query_heads));
  Sequence s = sequence_of(p, i32(place / u32(p.query_heads)));
  if (first_query >= s.queries) return;

  start_block(p, state);
  place_queries(p, s, state, head, first_query, 64);
  __syncthreads();
  u32 row = threadIdx.x / 32 * 16;
  KeyRange range = key_range(state, 0, 64), own = key_range(state, row, 16);
  if (threadIdx.x == 0)
    state.task = {s, head / (p.query_heads / p.key_heads), range.low, range.high};
  __syncthreads();
  float sums[Width / 8][4];
  for (bool careful = false;; careful = true) {
    sum_query_gradient<Width>(p, state, range, own, tiles, careful, sums);
    if (!careful && !are_finite<Width / 8>(sums)) state.not_finite = 1;
    __syncthreads();
    if (careful || !state.not_finite) break;
  }
  store_fragment<Width>(sums, p.scale, reinterpret_cast<float *>(tiles), row, p.query_gradient,
                           state.query, u32(p.head_dimension), p.element_type,
                       p.aligned & aligned_query_gradient);
}

// Tiles of queries of the heads that read a key head, one head after the other.
struct QueryTiles {
  i32 first_head, each, count; // tiles of a head, of all of them
};

// The next tile of `Rows` queries from `at` on of which one may see the block's keys, placed at
// the block's rows from slot·Rows on; `partial` where one may not see all of them.
template <u32 Rows, typename State>
__device__ __forceinline__ i32 next_queries(
    const AttentionArgument &p, State &state, const QueryTiles &tiles, i32 first, i32 at, u32 slot,
    bool &partial) {
  const Sequence &s = state.task.sequence;
  for (; at < tiles.count; at++) {
    i32 query = at % tiles.each * i32(Rows), last = least(query + i32(Rows), s.queries) - 1;
    i32 low, high, all_low, all_high; // intervals do not go back from a query to the next
    visible_keys(p, s, query, low, all_high);
    visible_keys(p, s, last, all_low, high);
    if (high <= first || low >= first + 64) continue;
    u32 begin = slot * Rows;
    place_queries(p, s, state, tiles.first_head + at / tiles.each, query, Rows, begin,
                  begin + Rows);
    if (!tile_is_visible(p, s, state, Rows, first, begin)) continue;
    partial = first < all_low || first + 64 > all_high || last - query < i32(Rows) - 1;
    break;
  }
  return at;
}

// What a block sums.
enum class Part : u32 { both, keys, values };
template <Part part> static constexpr u32 parts = part == Part::both ? 2 : 1;

// One pass over the queries; the keys' sums come before the values'. Shared memory: keys, values,
// queries and output gradients twice, slots.
template <u32 Width, u32 Rows, Part part, typename State>
__device__ __forceinline__ void sum_key_gradients(
    const AttentionArgument &p, State &state, const QueryTiles &tiles, i32 first, u8 *shared,
    bool careful, float (&sums)[parts<part>][Width / 8][4]) {
  constexpr u32 whole = 64 * Width * 2, piece = Rows * Width * 2, columns = Rows / 8;
  u8 *values = shared + whole, *pairs = shared + 2 * whole; // of tiles: queries, gradients
  u32 width = u32(p.head_dimension), value_width = u32(p.value_dimension);
  u32 row = threadIdx.x / 32 * 16, slot = 0;
  bool shaped = shapes_scores(p), partial = false;
#pragma unroll
  for (u32 e = 0; e < Width / 2; e++)
#pragma unroll
    for (u32 i = 0; i < parts<part>; i++) sums[i][e / 4][e % 4] = 0;
  auto copy_queries = [&](u32 at) {
    copy_rows<Width, Rows>(pairs + at * 2 * piece, p.query, state.query + at * Rows, width,
                              p.aligned & aligned_query);
    copy_rows<Width, Rows>(pairs + at * 2 * piece + piece, p.output_gradient,
                              state.output + at * Rows, value_width,
                              p.aligned & aligned_output_gradient);
  };
  i32 at = next_queries<Rows>(p, state, tiles, first, 0, slot, partial);
  __syncthreads();
  copy_rows<Width, 64>(shared, p.key, state.key, width, p.aligned & aligned_key);
  if (part != Part::values || careful)
    copy_rows<Width, 64>(values, p.value, state.value, value_width, p.aligned & aligned_value);
  if (at < tiles.count) copy_queries(slot);
  copy_async_commit();
  while (at < tiles.count) {
    bool masked = partial;
    i32 next = next_queries<Rows>(p, state, tiles, first, at + 1, slot ^ 1, partial);
    copy_async_wait<0>();
    __syncthreads(); // the queries are there, the last ones read, the next ones placed
    if (next < tiles.count) copy_queries(slot ^ 1);
    copy_async_commit();
    u8 *queries = pairs + slot * 2 * piece, *incoming = queries + piece;
    float scores[columns][4], gradients[columns][4] = {};
    multiply_rows<Width, columns>(p.element_type, shared, row, queries, scores);
    if (part != Part::values || careful)
      multiply_rows<Width, columns>(p.element_type, values, row, incoming, gradients);
    GradientPlace<true> place = {
        row + fragment_row(), slot * Rows + fragment_column(), first};
    u32 kept = p.drop_probability > 0 ? kept_gradients<true, columns>(p, state, place)
                                      : 0xFFFFFFFF;
    if (careful) {
      __syncthreads();
      rewrite_tile<Width, 2 * Rows>(queries, p.element_type, Careful::without);
      __syncthreads();
      // What saw them tells it: 0 · ∞ is NaN.
#pragma unroll
      for (u32 e = 0; e < 4 * columns; e++) scores[e / 4][e % 4] += 0 * gradients[e / 4][e % 4];
    }
    if (shaped)
      shape_gradients<true, columns>(
          p, state, place, kept, shared + 2 * whole + 4 * piece, scores, gradients);
    else
      weigh_gradients<true, columns>(p, state, place, kept, masked, scores, gradients);
    if constexpr (part != Part::keys)
      add_weighted<Width, columns>(p.element_type, scores, incoming, sums[parts<part> - 1]);
    if constexpr (part != Part::values)
      add_weighted<Width, columns>(p.element_type, gradients, queries, sums[0]);
    __syncthreads(); // the queries' rows are read
    at = next;
    slot ^= 1;
  }
  copy_async_wait<0>();
  __syncthreads();
}

template <u32 Width, Part part = Part::both>
__device__ __forceinline__ void attention_tensor_key_gradient(
    const AttentionArgument &p, u32 place, u8 *shared) {
  constexpr u32 rows = Width == 64 ? 64 : 32;
  using BlockState = GradientState<2 * rows, 1>;
  static_assert(sizeof(BlockState) <= key_state_bytes, "the launch counts on it");
  BlockState &state = *reinterpret_cast<BlockState *>(shared);
  u8 *tiles = shared + key_state_bytes;
  u32 key_tiles = u32(p.key_length + 63) / 64;
  i32 first = i32(place % key_tiles) * 64;
  place /= key_tiles;
  i32 key_head = i32(place % u32(p.key_heads)), group = p.query_heads / p.key_heads;
  Sequence s = sequence_of(p, i32(place / u32(p.key_heads)));
  if (first >= s.stored) return;

  start_block(p, state);
  place_keys(p, s, state, key_head, first, 0, s.stored);
  if (threadIdx.x == 0) state.task = {s, key_head, 0, 0};
  __syncthreads();
  i32 each = (s.queries + i32(rows) - 1) / i32(rows);
  QueryTiles queries = {key_head * group, each, each * group};
  float sums[parts<part>][Width / 8][4];
  for (bool careful = false;; careful = true) {
    sum_key_gradients<Width, rows, part>(p, state, queries, first, tiles, careful, sums);
    bool finite = are_finite<Width / 8>(sums[0]);
    if constexpr (part == Part::both) finite &= are_finite<Width / 8>(sums[1]);
    if (!careful && !finite) state.not_finite = 1;
    __syncthreads();
    if (careful || !state.not_finite) break;
  }
  u32 row = threadIdx.x / 32 * 16;
  float *results = reinterpret_cast<float *>(tiles);
  if constexpr (part != Part::values)
    store_fragment<Width>(sums[0], p.scale, results, row, p.key_gradient, state.key,
                          u32(p.head_dimension), p.element_type,
                          p.aligned & aligned_key_gradient);
  if constexpr (part != Part::keys)
    store_fragment<Width>(sums[parts<part> - 1], p.drop_probability > 0 ? p.kept : 1, results, row,
                          p.value_gradient, state.value, u32(p.value_dimension), p.element_type,
                          p.aligned & aligned_value_gradient);
}

// PTX for sm_75 multiplies f16 alone; wider ones do not fit into the 64 KiB that its blocks have.
extern "C" __global__ void __launch_bounds__(128)
attention_tensor_query_gradient_width_64(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_tensor_query_gradient<64>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_tensor_query_gradient_width_128(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  if constexpr (has_bf16_tiles) attention_tensor_query_gradient<128>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_tensor_query_gradient_width_256(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  if constexpr (has_bf16_tiles) attention_tensor_query_gradient<256>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_tensor_key_gradient_width_64(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_tensor_key_gradient<64>(p, blockIdx.x, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_tensor_key_gradient_width_128(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  if constexpr (has_bf16_tiles) attention_tensor_key_gradient<128>(p, blockIdx.x, shared);
}
// Twice the blocks: neighbours have the same keys, one sums dK, one dV.
extern "C" __global__ void __launch_bounds__(128)
attention_tensor_key_gradient_width_256(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  if constexpr (has_bf16_tiles) {
    u32 place = blockIdx.x / 2;
    if (blockIdx.x % 2 == 0) attention_tensor_key_gradient<256, Part::keys>(p, place, shared);
    else attention_tensor_key_gradient<256, Part::values>(p, place, shared);
  }
}
