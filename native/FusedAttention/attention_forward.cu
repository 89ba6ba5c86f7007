// output = dropout(softmax(scores))·V by online softmax, scores as in terms.cuh; log_sum_exp =
// log Σ e^score, the sink included; 0 and −∞ for a row that sees no key. For every element type and
// width; attention_tensor_forward.cu takes what it can of the 16-bit types.
//
// Shapes: query [B, Hq, Sq, D], key [B, Hkv, Skv, D], value [B, Hkv, Skv, Dv], output [B, Hq, Sq,
//   Dv], with strides, packed or paged; log_sum_exp [B, Hq, Sq] or [Hq, total].
// Work: a block of 128 threads owns 64 query rows of a head, or 8 rows of all query heads that
//   read one key/value head where there are few queries (decoding), and 64, 128 or 256 columns of
//   the values (more columns: more blocks). It goes over tiles of 64 keys that a row may see,
//   `splits` blocks sharing them; attention_merge_splits joins what these found. Later queries,
//   which see more keys under causal order, begin first.
// Registers: per thread Rows × 4 scores and Rows × Dv / 16 results. Shared: state, 8·Rows × 80
//   scores, 16 KiB for keys and values, and 8·Rows × D queries, which stay (`resident`) unless
//   they do not fit.
// Bytes: queries once; keys and values once for each 64 query rows, from L2 where heads share
//   them. Arithmetic: 2·(D + Dv) operations a pair, on FP32 units; intensity 16 and more.
// Numerics: float; the running maximum subtracted; hidden scores are selected away; where values
//   hold NaN or ∞, weights of 0 skip them.
// Preconditions: terms.cuh.
// Source: Milakov, Gimelshein 2018 (online softmax); Dao 2023 (FlashAttention-2), section 3.
#include "tiles.cuh"

// Exact zero and −∞ stay what they are.
__device__ __forceinline__ float weight_of(float score, float maximum) {
  return score == -infinity ? 0 : exponential(score - maximum);
}

// Scores with all terms in shared memory, four keys of a row at a time.
__device__ __forceinline__ void shape_scores(
    const AttentionArgument &p, const Sequence &s, const BlockState &state, float *tile,
    u32 rows, i32 first) {
  for (u32 at = opaque(threadIdx.x); at < rows * 16; at += attention_threads) {
    u32 r = at / 16, column = at % 16 * 4;
    ScoreRow row =
        score_row(p, s, state.head[r], state.index[r], state.first[r], state.end[r]);
    float *four = tile + r * score_stride + column;
#pragma unroll 1
    for (u32 e = 0; e < 4; e++)
      four[e] = masked_score(
          p, row, first + i32(column + e), capped_score(p, four[e]), state.thresholds);
  }
}

__device__ __forceinline__ void drop_weights(
    const AttentionArgument &p, const Sequence &s, const BlockState &state, float *tile,
    u32 rows, i32 first) {
  for (u32 at = opaque(threadIdx.x); at < rows * 16; at += attention_threads) {
    u32 r = at / 16, column = at % 16 * 4;
    float factors[4];
    dropout_factors(p, state.dropout, s.batch, state.head[r], state.index[r],
                    first + i32(column), factors);
    Four four = load_four(tile + r * score_stride + column);
#pragma unroll
    for (u32 e = 0; e < 4; e++) four.x[e] *= factors[e];
    store_four(tile + r * score_stride + column, four);
  }
}

// scale·q·k of the block's rows and the 64 keys that are placed.
template <u32 Rows>
__device__ __forceinline__ void multiply_queries(
    const AttentionArgument &p, const BlockState &state, float *queries, u32 query_stride,
    float *buffer, float (&scores)[Rows][4]) {
  u32 width = u32(p.head_dimension), padded = (width + 7) / 8 * 8;
  for (u32 d = 0; d < width; d += chunk_width) {
    u32 span = padded - d < chunk_width ? padded - d : chunk_width;
    load_rows(buffer, chunk_stride, p.key, state.key, 64, d, span, width,
                 p.aligned & aligned_key, p.element_type);
    if (!p.resident)
      load_rows(queries, query_stride, p.query, state.query, 8 * Rows, d, span, width,
                   p.aligned & aligned_query, p.element_type);
    __syncthreads();
    add_products<Rows>(
        scores, queries + (p.resident ? d : 0), query_stride, buffer, span);
    __syncthreads();
  }
#pragma unroll
  for (u32 i = 0; i < Rows; i++)
#pragma unroll
    for (u32 j = 0; j < 4; j++) scores[i][j] *= p.scale;
}

// Applies what shapes and hides scores, as little of it as the tile needs.
template <u32 Rows>
__device__ __forceinline__ void hide_scores(
    const AttentionArgument &p, const Sequence &s, const BlockState &state,
    const KeyRange &range, float *tile, i32 first, float (&scores)[Rows][4]) {
  u32 thread = opaque(threadIdx.x), y = thread / 16, x = thread % 16;
  if (shapes_scores(p)) {
    put_scores<Rows>(tile, scores);
    __syncthreads();
    shape_scores(p, s, state, tile, 8 * Rows, first);
    __syncthreads();
    get_scores<Rows>(tile, scores);
  } else if (first < range.all_low || first + 64 > range.all_high) {
#pragma unroll
    for (u32 i = 0; i < Rows; i++)
#pragma unroll
      for (u32 j = 0; j < 4; j++) {
        i32 key = first + i32(x + 16 * j);
        bool visible = key >= state.first[y + 8 * i] && key < state.end[y + 8 * i];
        scores[i][j] = visible ? scores[i][j] : -infinity;
      }
  }
}

// Scores become weights under the new maximum, under which what was summed so far shrinks.
template <u32 Rows, u32 Groups>
__device__ __forceinline__ void online_softmax(
    float (&scores)[Rows][4], float (&maxima)[Rows], float (&totals)[Rows],
    float (&results)[Rows][4 * Groups]) {
#pragma unroll
  for (u32 i = 0; i < Rows; i++) {
    float top = maximum(maximum(scores[i][0], scores[i][1]),
                        maximum(scores[i][2], scores[i][3]));
#pragma unroll
    for (int lanes = 8; lanes > 0; lanes /= 2)
      top = maximum(top, __shfl_xor_sync(all_lanes, top, lanes));
    top = maximum(top, maxima[i]);
    float shrink = weight_of(maxima[i], top);
    maxima[i] = top;
    totals[i] *= shrink;
#pragma unroll
    for (u32 c = 0; c < 4 * Groups; c++) results[i][c] *= shrink;
#pragma unroll
    for (u32 j = 0; j < 4; j++) {
      scores[i][j] = weight_of(scores[i][j], top);
      totals[i] += scores[i][j];
    }
  }
}

// A row's log-sum-exp; returns what its results are to be multiplied with. 16 threads call it,
// each with its part of the total.
__device__ __forceinline__ float finish_row(
    const AttentionArgument &p, const BlockState &state, i32 split, u32 r, bool writes, float top,
    float total) {
#pragma unroll
  for (int lanes = 8; lanes > 0; lanes /= 2)
    total += __shfl_xor_sync(all_lanes, total, lanes);
  float scale = 1;
  if (p.sinks && p.splits == 1 && top > -infinity) {
    float sink = load_element(p.sinks, state.head[r], p.sinks_type);
    float joint = maximum(top, sink);
    scale = exponential(top - joint);
    total = total * scale + weight_of(sink, joint);
    top = joint;
  }
  bool blind = top == -infinity;
  float log_sum = blind ? -infinity : top + log2_fast(total) * 0.693147181f;
  if (state.index[r] >= 0 && writes) {
    if (p.splits > 1) p.partial_sums[split * p.rows + state.sum[r]] = log_sum;
    else if (p.log_sum_exp) p.log_sum_exp[state.sum[r]] = log_sum;
  }
  return blind ? 0 : scale / total;
}

// Results over their totals to the output, or, where keys are split, to this split's part of it.
// Through shared memory, where a loop can go over a thread's rows.
template <u32 Rows, u32 Groups>
__device__ __forceinline__ void finish_rows(
    const AttentionArgument &p, const BlockState &state, i32 split, u32 column, float *buffer,
    const float (&maxima)[Rows], const float (&totals)[Rows],
    const float (&results)[Rows][4 * Groups]) {
  u32 thread = opaque(threadIdx.x), y = thread / 16, x = thread % 16;
  u32 width = u32(p.value_dimension);
  float *own = buffer + 4 * thread, scales[Rows];
#pragma unroll
  for (u32 i = 0; i < Rows; i++) store_four(own + i * own_stride, {{maxima[i], totals[i], 0, 0}});
#pragma unroll 1
  for (u32 i = 0; i < Rows; i++) {
    Four row = load_four(own + i * own_stride);
    bool writes = x == 0 && column == 0;
    own[i * own_stride] = finish_row(p, state, split, y + 8 * i, writes, row.x[0], row.x[1]);
  }
#pragma unroll
  for (u32 i = 0; i < Rows; i++) scales[i] = own[i * own_stride];
#pragma unroll
  for (u32 g = 0; g < Groups; g++) {
    put_own<Rows, Groups>(own, results, g, scales);
    u32 start = column + 64 * g + 4 * x;
#pragma unroll 1
    for (u32 i = 0; i < Rows; i++) {
      u32 r = y + 8 * i;
      if (state.index[r] < 0) continue;
      bool parts = p.splits > 1;
      i64 part = (split * p.rows + state.sum[r]) * p.value_dimension;
      store_results(parts ? p.partial_outputs : p.output, parts ? part : state.output[r], start,
                    width, parts ? width % 4 == 0 : (p.aligned & aligned_output) != 0,
                    parts ? u32(type_f32) : p.element_type, own + i * own_stride);
    }
  }
}

template <u32 Rows, u32 Groups>
__device__ __forceinline__ void attention_forward(const AttentionArgument &p, u8 *shared) {
  constexpr u32 rows = 8 * Rows;
  BlockState &state = *reinterpret_cast<BlockState *>(shared);
  float *tile = reinterpret_cast<float *>(shared + state_bytes);
  float *buffer = tile + rows * score_stride, *queries = buffer + value_floats;
  u32 place = blockIdx.x;
  i32 row_block = p.tiles - 1 - i32(place % u32(p.tiles));
  place /= u32(p.tiles);
  i32 split = i32(place % u32(p.splits));
  place /= u32(p.splits);
  u32 column = place % u32(p.slices) * 64 * Groups;
  place /= u32(p.slices);
  i32 unit = i32(place % u32(p.units));
  Sequence s = sequence_of(p, i32(place / u32(p.units)));
  i32 first_row = row_block * i32(rows);
  if (first_row >= p.heads_per_unit * s.queries) return;
  i32 key_head = unit * p.heads_per_unit / (p.query_heads / p.key_heads);

  start_block(p, state);
  place_queries(p, s, state, unit, first_row, rows);
  __syncthreads();
  u32 width = u32(p.head_dimension), padded = (width + 7) / 8 * 8;
  u32 query_stride = p.resident ? padded + 4 : chunk_stride;
  if (p.resident)
    load_rows(queries, query_stride, p.query, state.query, rows, 0, padded, width,
                 p.aligned & aligned_query, p.element_type);

  float maxima[Rows], totals[Rows], results[Rows][4 * Groups];
#pragma unroll
  for (u32 i = 0; i < Rows; i++) {
    maxima[i] = -infinity;
    totals[i] = 0;
#pragma unroll
    for (u32 c = 0; c < 4 * Groups; c++) results[i][c] = 0;
  }

  KeyRange range = key_range(state, 0, rows);
  i32 tiles = (p.key_length + 63) / 64, each = (tiles + p.splits - 1) / p.splits;
  i32 begin = most(split * each, range.low / 64);
  i32 end = least((split + 1) * each, (range.high + 63) / 64);
  for (i32 at = begin; at < end; at++) {
    i32 first = at * 64;
    if (!tile_is_visible(p, s, state, rows, first)) continue;
    place_keys(p, s, state, key_head, first, 0, s.stored);
    __syncthreads();
    float scores[Rows][4] = {};
    multiply_queries<Rows>(p, state, queries, query_stride, buffer, scores);
    hide_scores<Rows>(p, s, state, range, tile, first, scores);
    online_softmax<Rows, Groups>(scores, maxima, totals, results);
    put_scores<Rows>(tile, scores);
    if (p.drop_probability > 0) {
      __syncthreads();
      drop_weights(p, s, state, tile, rows, first);
    }
    add_weighted_tile<Rows, Groups>(
        results, tile, p.value, state.value, column, u32(p.value_dimension),
        p.aligned & aligned_value, p.element_type, buffer, state);
  }

  finish_rows<Rows, Groups>(p, state, split, column, buffer, maxima, totals, results);
}

// Joins the parts of each row: block (query, head, sequence).
extern "C" __global__ void __launch_bounds__(128)
attention_merge_splits(ARGUMENT(AttentionArgument, p)) {
  u32 place = blockIdx.x;
  i32 query = i32(place % u32(p.query_length));
  place /= u32(p.query_length);
  i32 head = i32(place % u32(p.query_heads));
  Sequence s = sequence_of(p, i32(place / u32(p.query_heads)));
  if (query >= s.queries) return;
  i64 row = row_index(p, s, head, query);
  float top = -infinity, total = 0;
  for (i32 i = 0; i < p.splits; i++) top = maximum(top, p.partial_sums[i * p.rows + row]);
  bool blind = top == -infinity;
  if (p.sinks && !blind) {
    float sink = load_element(p.sinks, head, p.sinks_type);
    top = maximum(top, sink);
    total = weight_of(sink, top);
  }
  for (i32 i = 0; i < p.splits; i++)
    total += weight_of(p.partial_sums[i * p.rows + row], top);
  const Strides &o = p.output_strides;
  i64 output = s.query_outer * o.batch + head * o.head + (s.query_row + query) * o.row;
  for (i32 d = i32(threadIdx.x); d < p.value_dimension; d += i32(blockDim.x)) {
    float sum = 0;
    for (i32 i = 0; i < p.splits; i++) {
      i64 at = i * p.rows + row;
      float weight = weight_of(p.partial_sums[at], top);
      sum = multiply_add(weight, p.partial_outputs[at * p.value_dimension + d], sum);
    }
    store_element(p.output, output + d, p.element_type, blind ? 0 : sum / total);
  }
  if (threadIdx.x == 0 && p.log_sum_exp)
    p.log_sum_exp[row] = blind ? -infinity : top + log2_fast(total) * 0.693147181f;
}

extern "C" __global__ void __launch_bounds__(128)
attention_forward_64_rows_64_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_forward<8, 1>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_forward_64_rows_128_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_forward<8, 2>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_forward_64_rows_256_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_forward<8, 4>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_forward_8_rows_64_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_forward<1, 1>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_forward_8_rows_128_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_forward<1, 2>(p, shared);
}
extern "C" __global__ void __launch_bounds__(128)
attention_forward_8_rows_256_columns(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  attention_forward<1, 4>(p, shared);
}
