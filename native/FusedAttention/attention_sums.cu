// Gradients that are sums over sequences: dBias += Σ dS over the axes that broadcast; d(relative
// table)[bucket, h] += Σ dS over the pairs in the bucket; d(sink)[h] −= Σ e^(sink − L)·δ.
//
// Shapes: bias gradient laid out as the bias; table gradient [buckets, Hq]; sink gradient [Hq];
//   bucket_sums [B, Hq, key tiles, buckets].
// Work: a block of 128 threads. attention_bias_gradient: it owns 64 keys and, unless they share
//   their bias, 64 queries, and goes over all tiles that have this bias.
//   attention_bucket_sums: it owns 64 keys of a query head and goes over the tiles of queries; a
//   thread sums a diagonal of the tile, whose pairs lie at one distance, then a bucket its
//   diagonals. attention_relative_gradient: a thread a table entry adds these sums up.
//   attention_sink_gradient: a block a head.
// Registers: 64 sums. Shared: state, two tiles of 64 × 80, 18 KiB of operands, and for the buckets
//   the diagonals and a sum for each.
// Bytes: operands of both products for each tile; 2·(D + Dv) operations a pair.
// Numerics: float, in fixed order; what is there is read, added to and rounded once.
// Preconditions: terms.cuh; deltas are there.
// Source: the chain rule.
#include "gradients.cuh"

extern "C" __global__ void __launch_bounds__(128)
attention_bias_gradient(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  BlockState &state = *reinterpret_cast<BlockState *>(shared);
  GradientTiles tiles = gradient_tiles(shared);
  u32 place = blockIdx.x, key_tiles = u32(p.bias_keys + 63) / 64;
  i32 first = i32(place % key_tiles) * 64;
  place /= key_tiles;
  i32 own_tile = i32(place % u32(p.bias_tiles));
  place /= u32(p.bias_tiles);
  i32 own_head = i32(place % u32(p.bias_heads)), own_batch = i32(place / u32(p.bias_heads));
  bool queries_share = p.bias_strides.row == 0 && p.query_length > 1;
  u32 y = threadIdx.x / 16, x = threadIdx.x % 16;

  start_block(p, state);
  float sums[8][4] = {};
  i32 batches = p.bias_batches == 1 ? p.batch : 1, heads = p.bias_heads == 1 ? p.query_heads : 1;
  for (i32 batch = own_batch; batch < own_batch + batches; batch++) {
    Sequence s = sequence_of(p, batch);
    for (i32 head = own_head; head < own_head + heads; head++)
      for (i32 at = own_tile; at < (queries_share ? p.tiles : own_tile + 1); at++) {
        __syncthreads();
        place_queries(p, s, state, head, at * 64, 64);
        place_keys(p, s, state, head / (p.query_heads / p.key_heads), first, 0, s.stored);
        __syncthreads();
        KeyRange range = key_range(state, 0, 64);
        if (range.high <= first || range.low >= first + 64) continue;
        if (!tile_is_visible(p, s, state, 64, first)) continue;
        compute_gradients<false>(p, s, state, tiles, first);
#pragma unroll
        for (u32 i = 0; i < 8; i++)
#pragma unroll
          for (u32 j = 0; j < 4; j++)
            sums[i][j] += tiles.gradients[(y + 8 * i) * score_stride + x + 16 * j];
      }
  }
  __syncthreads();
  put_scores<8>(tiles.weights, sums);
  __syncthreads();
  i64 line = own_batch * p.bias_strides.batch + own_head * p.bias_strides.head;
  for (u32 at = threadIdx.x; at < (queries_share ? 64 : 64 * 64); at += attention_threads) {
    i32 key = first + i32(at % 64), query = own_tile * 64 + i32(at / 64);
    if (key >= p.bias_keys || query >= p.query_length) continue;
    float sum = tiles.weights[at / 64 * score_stride + at % 64];
    for (u32 r = 1; queries_share && r < 64; r++)
      sum += tiles.weights[r * score_stride + at % 64];
    i64 index = line + query * p.bias_strides.row + key;
    sum += load_element(p.bias_gradient, index, p.bias_gradient_type);
    store_element(p.bias_gradient, index, p.bias_gradient_type, sum);
  }
}

extern "C" __global__ void __launch_bounds__(128)
attention_bucket_sums(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  BlockState &state = *reinterpret_cast<BlockState *>(shared);
  GradientTiles tiles = gradient_tiles(shared);
  float *diagonals = tiles.rest, *sums = diagonals + 256;
  i32 *buckets = reinterpret_cast<i32 *>(diagonals + 128);
  u32 place = blockIdx.x, key_tiles = u32(p.key_length + 63) / 64;
  i32 first = i32(place % key_tiles) * 64;
  i32 head = i32(place / key_tiles % u32(p.query_heads));
  Sequence s = sequence_of(p, i32(place / key_tiles / u32(p.query_heads)));
  u32 count = u32(p.buckets) * (p.bidirectional ? 2 : 1);

  start_block(p, state);
  place_keys(p, s, state, head / (p.query_heads / p.key_heads), first, 0, s.stored);
  for (u32 i = threadIdx.x; i < count; i += attention_threads) sums[i] = 0;
  for (i32 first_query = 0; first_query < s.queries; first_query += 64) {
    __syncthreads();
    place_queries(p, s, state, head, first_query, 64);
    __syncthreads();
    KeyRange range = key_range(state, 0, 64);
    if (range.high <= first || range.low >= first + 64) continue;
    if (!tile_is_visible(p, s, state, 64, first)) continue;
    compute_gradients<false>(p, s, state, tiles, first);
    i32 diagonal = i32(threadIdx.x) - 63; // key − query within the tile
    if (diagonal < 64) {
      float sum = 0;
      for (i32 r = most(0, -diagonal); r < least(64, 64 - diagonal); r++)
        sum += tiles.gradients[u32(r) * score_stride + u32(r + diagonal)];
      i64 distance = i64(first) - first_query - s.offset + diagonal;
      diagonals[threadIdx.x] = sum;
      buckets[threadIdx.x] = relative_bucket(p, distance, state.thresholds);
    }
    __syncthreads();
    for (u32 i = threadIdx.x; i < count; i += attention_threads)
      for (u32 d = 0; d < 127; d++) sums[i] += buckets[d] == i32(i) ? diagonals[d] : 0;
  }
  for (u32 i = threadIdx.x; i < count; i += attention_threads)
    p.bucket_sums[u64(blockIdx.x) * count + i] = sums[i];
}

extern "C" __global__ void __launch_bounds__(128)
attention_relative_gradient(ARGUMENT(AttentionArgument, p)) {
  u32 count = u32(p.buckets) * (p.bidirectional ? 2 : 1), heads = u32(p.query_heads);
  u32 index = blockIdx.x * blockDim.x + threadIdx.x, key_tiles = u32(p.key_length + 63) / 64;
  if (index >= count * heads) return;
  u32 bucket = index / heads, head = index % heads;
  float sum = 0;
  for (u32 b = 0; b < u32(p.batch); b++)
    for (u32 at = 0; at < key_tiles; at++)
      sum += p.bucket_sums[((u64(b) * heads + head) * key_tiles + at) * count + bucket];
  sum += load_element(p.relative_gradient, index, p.relative_gradient_type);
  store_element(p.relative_gradient, index, p.relative_gradient_type, sum);
}

extern "C" __global__ void __launch_bounds__(128)
attention_sink_gradient(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  i32 head = i32(blockIdx.x);
  float sink = load_element(p.sinks, head, p.sinks_type), sum = 0;
  for (i32 batch = 0; batch < p.batch; batch++) {
    Sequence s = sequence_of(p, batch);
    for (i32 query = i32(threadIdx.x); query < s.queries; query += i32(attention_threads)) {
      i64 row = row_index(p, s, head, query);
      float log_sum = p.log_sum_exp[row];
      if (log_sum > -infinity) sum += exponential(sink - log_sum) * p.deltas[row];
    }
  }
  sum = group_sum<attention_threads>(sum, reinterpret_cast<float *>(shared));
  if (threadIdx.x != 0) return;
  sum = load_element(p.sink_gradient, head, p.sink_gradient_type) - sum;
  store_element(p.sink_gradient, head, p.sink_gradient_type, sum);
}

