// What attention's kernels are told, and what shapes and hides scores: one place for forward,
// decoding, score output and backward.
//
// Formula: s = scale·q·k; s ← c·tanh(s/c); s ← s + bias − m·|p − j| + relative bias, p = i +
//   offset; −∞ where hidden by causal order, window, lengths, masks or a bias of −∞.
// Preconditions: the call was validated on the host. Lengths, offsets and pages that do not fit
//   the sizes are clamped, so that nothing outside the tensors is read or written.
// Source: src/Transformer/Ops/FusedAttention/AttentionReferenceProblem.cs is the definition.
#pragma once

#include "../include/philox.cuh"

enum ElementType : u32 { type_f32, type_f16, type_bf16 };
enum CausalAlignment : i32 { causal_none, causal_top_left, causal_bottom_right, causal_past };
enum ScoreStage : i32 { stage_none, stage_raw, stage_capped, stage_masked, stage_probabilities };
enum Alignment : i32 { // tensors whose rows start on 16 bytes and hold whole chunks
  aligned_query = 1, aligned_key = 2, aligned_value = 4, aligned_output = 8,
  aligned_output_gradient = 16, aligned_query_gradient = 32, aligned_key_gradient = 64,
  aligned_value_gradient = 128,
};

static constexpr u32 relative_thresholds = 128;

// Elements from one to the next.
struct Strides {
  i64 batch, head, row;
};

struct AttentionArgument {
  const void *query, *key, *value;
  void *output;
  float *log_sum_exp;
  const u8 *mask, *block_mask;
  const void *bias, *alibi, *relative, *sinks;
  const i32 *key_lengths, *query_offsets, *key_offsets, *block_table;
  const i64 *random_state;
  void *scores;
  float *partial_outputs, *partial_sums; // [splits, rows, Dv], [splits, rows]
  const void *output_gradient;
  float *deltas; // as log_sum_exp
  void *query_gradient, *key_gradient, *value_gradient;
  void *bias_gradient, *relative_gradient, *sink_gradient;
  float *bucket_sums; // [batch, Hq, key tiles, buckets]
  Strides query_strides, key_strides, value_strides, output_strides, mask_strides, bias_strides;
  i64 rows;         // of log_sum_exp
  i64 table_stride; // entries of a row of the block table
  i32 batch, query_heads, key_heads, query_length, key_length, head_dimension, value_dimension;
  i32 total_queries, total_keys, page_size, page_count;
  i32 causal, past_length, window_left, window_right;
  i32 mask_keys, bias_keys, query_block, key_block, block_rows, block_columns, blocks_per_head;
  i32 score_stage, aligned, buckets, bidirectional; // buckets of one direction
  i32 units, heads_per_unit; // query heads that a block's rows run over
  i32 tiles, splits, slices, resident;
  i32 bias_batches, bias_heads, bias_tiles; // that have biases of their own
  u32 bias_type, alibi_type, relative_type, sinks_type, scores_type;
  u32 bias_gradient_type, relative_gradient_type, sink_gradient_type;
  u32 element_type; // of query, key, value, output and their gradients
  u32 dropout_stream;
  float scale, soft_cap, drop_probability, kept;
  i32 thresholds[relative_thresholds]; // least distance of each bucket that has several
};

__device__ __forceinline__ i32 least(i32 a, i32 b) { return a < b ? a : b; }
__device__ __forceinline__ i32 most(i32 a, i32 b) { return a > b ? a : b; }
__device__ __forceinline__ i32 clamped(i32 value, i32 low, i32 high) {
  return value < low ? low : value > high ? high : value;
}

__device__ __forceinline__ float load_element(const void *base, i64 index, u32 type) {
  if (type == type_f32) return static_cast<const float *>(base)[index];
  u16 bits = static_cast<const u16 *>(base)[index];
  return type == type_f16 ? to_float(f16{bits}) : to_float(bf16{bits});
}

__device__ __forceinline__ void store_element(void *base, i64 index, u32 type, float value) {
  if (type == type_f32) static_cast<float *>(base)[index] = value;
  else if (type == type_f16) static_cast<f16 *>(base)[index] = from_float<f16>(value);
  else static_cast<bf16 *>(base)[index] = from_float<bf16>(value);
}

// Where the queries and keys of a sequence lie, and how many there are.
struct Sequence {
  i64 query_outer, query_row, key_outer, key_row; // of the first
  i64 offset;                                     // query i stands at i + offset
  i32 batch, queries, stored, keys;               // stored: padding included
};

__device__ __forceinline__ Sequence sequence_of(const AttentionArgument &p, i32 batch) {
  Sequence s = {batch, 0, batch, 0, p.past_length, batch, p.query_length, p.key_length, 0};
  if (p.query_offsets) {
    i32 first = clamped(p.query_offsets[batch], 0, p.total_queries);
    i32 end = clamped(p.query_offsets[batch + 1], first, p.total_queries);
    s.query_outer = 0;
    s.query_row = first;
    s.queries = least(end - first, p.query_length);
  }
  if (p.key_offsets) {
    i32 first = clamped(p.key_offsets[batch], 0, p.total_keys);
    i32 end = clamped(p.key_offsets[batch + 1], first, p.total_keys);
    s.key_outer = 0;
    s.key_row = first;
    s.stored = least(end - first, p.key_length);
  }
  if (p.block_table) s.stored = clamped(p.key_lengths[batch], 0, p.key_length);
  s.keys = p.key_lengths ? clamped(p.key_lengths[batch], 0, s.stored) : s.stored;
  if (p.causal == causal_top_left) s.offset = 0;
  if (p.causal == causal_bottom_right) s.offset = i64(s.keys) - s.queries;
  return s;
}

// Element offset of a key's row; the head's is added by the caller.
__device__ __forceinline__ i64 key_place(
    const AttentionArgument &p, const Sequence &s, const Strides &strides, i32 key) {
  if (!p.block_table) return s.key_outer * strides.batch + (s.key_row + key) * strides.row;
  i32 page = p.block_table[s.batch * p.table_stride + key / p.page_size];
  page = clamped(page, 0, p.page_count - 1);
  return page * strides.batch + i64(key % p.page_size) * strides.row;
}

__device__ __forceinline__ i64 row_index(
    const AttentionArgument &p, const Sequence &s, i32 head, i32 query) {
  if (p.query_offsets) return i64(head) * p.total_queries + s.query_row + query;
  return (i64(s.batch) * p.query_heads + head) * p.query_length + query;
}

// Keys [first, end) that causal order, window, lengths and short mask rows leave to a query.
__device__ __forceinline__ void visible_keys(
    const AttentionArgument &p, const Sequence &s, i32 query, i32 &first, i32 &end) {
  i64 position = query + s.offset;
  i64 high = least(s.keys, least(p.mask_keys, p.bias_keys)), low = 0;
  if (p.window_left >= 0 && position > p.window_left) low = position - p.window_left;
  if (p.causal != causal_none && position + 1 < high) high = position + 1;
  if (p.window_right >= 0 && position + p.window_right + 1 < high)
    high = position + p.window_right + 1;
  end = i32(high < 0 ? 0 : high);
  first = i32(low < end ? low : end);
}

// tanh to 3 ulp.
__device__ __forceinline__ float hyperbolic_tangent(float x) {
  float size = x < 0 ? -x : x;
  if (size < 0.4f) {
    float square = x * x; // the Taylor series
    float sum = 0.00359212803f;
    sum = multiply_add(sum, square, -0.00886323552f);
    sum = multiply_add(sum, square, 0.0218694885f);
    sum = multiply_add(sum, square, -0.0539682540f);
    sum = multiply_add(sum, square, 0.133333333f);
    sum = multiply_add(sum, square, -0.333333333f);
    return multiply_add(sum * square, x, x);
  }
  float result = 1 - 2 / (exponential(2 * size) + 1);
  return x < 0 ? -result : result;
}

// The bucket of a key `distance` positions after the query; thresholds as in the argument.
__device__ __forceinline__ i32 relative_bucket(
    const AttentionArgument &p, i64 distance, const i32 *thresholds) {
  bool after = p.bidirectional && distance > 0;
  i64 size = after ? distance : distance < 0 ? -distance : 0;
  i32 first = after ? p.buckets : 0, near = p.buckets / 2;
  if (size < near) return first + i32(size);
  i32 low = 0, high = p.buckets - near;
  while (high - low > 1) {
    i32 middle = (low + high) / 2;
    if (size >= thresholds[middle]) low = middle;
    else high = middle;
  }
  return first + near + low;
}

// What all scores of a row share.
struct ScoreRow {
  const u8 *mask, *blocks;
  i64 bias, position;
  float slope;
  i32 first, end, head;
};

__device__ __forceinline__ ScoreRow score_row(
    const AttentionArgument &p, const Sequence &s, i32 head, i32 query, i32 first, i32 end) {
  ScoreRow row = {nullptr, nullptr, 0, query + s.offset, 0, first, end, head};
  if (p.mask)
    row.mask = p.mask + s.batch * p.mask_strides.batch + head * p.mask_strides.head +
               query * p.mask_strides.row;
  if (p.block_mask) {
    i64 line = i64(p.blocks_per_head ? head : 0) * p.block_rows + query / p.query_block;
    row.blocks = p.block_mask + line * p.block_columns;
  }
  if (p.bias)
    row.bias = s.batch * p.bias_strides.batch + head * p.bias_strides.head +
               query * p.bias_strides.row;
  if (p.alibi) row.slope = load_element(p.alibi, head, p.alibi_type);
  return row;
}

__device__ __forceinline__ bool is_visible(
    const AttentionArgument &p, const ScoreRow &row, i32 key) {
  if (key < row.first || key >= row.end) return false;
  if (row.mask && !row.mask[key]) return false;
  return !row.blocks || row.blocks[key / p.key_block];
}

// c·tanh(s/c), where there is a cap.
__device__ __forceinline__ float capped_score(const AttentionArgument &p, float score) {
  return p.soft_cap > 0 ? p.soft_cap * hyperbolic_tangent(score / p.soft_cap) : score;
}

// A capped score with bias and position terms; −∞ where hidden, whatever the score was.
__device__ __forceinline__ float masked_score(
    const AttentionArgument &p, const ScoreRow &row, i32 key, float score,
    const i32 *thresholds) {
  if (!is_visible(p, row, key)) return -infinity;
  if (p.bias) {
    float bias = load_element(p.bias, row.bias + key, p.bias_type);
    if (bias == -infinity) return bias;
    score += bias;
  }
  i64 distance = key - row.position;
  if (p.alibi) score -= row.slope * float(distance < 0 ? -distance : distance);
  if (p.relative) {
    i64 bucket = relative_bucket(p, distance, thresholds);
    score += load_element(p.relative, bucket * p.query_heads + row.head, p.relative_type);
  }
  return score;
}

// True where scores need more than a scale and an interval of keys.
__device__ __forceinline__ bool shapes_scores(const AttentionArgument &p) {
  return p.soft_cap > 0 || p.mask || p.block_mask || p.bias || p.alibi || p.relative;
}

// The key of a call's dropout words.
__device__ __forceinline__ u64 dropout_key(const AttentionArgument &p) {
  u64 seed = u64(p.random_state[0]), step = u64(p.random_state[1]);
  Words words = philox(
      {{u32(step), u32(step >> 32), p.dropout_stream, 0}}, u32(seed), u32(seed >> 32));
  return words.words[0] | u64(words.words[1]) << 32;
}

// What dropout multiplies the weights of keys [key, key + 4) with; key is a multiple of 4.
__device__ __forceinline__ void dropout_factors(
    const AttentionArgument &p, u64 call, i32 batch, i32 head, i32 query, i32 key,
    float (&factors)[4]) {
  Words words = random_words(
      call, 0, u32(batch) * u32(p.query_heads) + u32(head), u64(query) << 32 | u32(key) / 4);
#pragma unroll
  for (u32 e = 0; e < 4; e++)
    factors[e] = random_unit(words.words[e]) < p.drop_probability ? 0 : p.kept;
}
