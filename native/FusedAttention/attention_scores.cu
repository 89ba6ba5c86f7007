// scores[b, h, i, j] = scale·q·k (raw), after the soft cap (capped), after bias and masks, −∞ where
// hidden (masked), or e^(score − log_sum_exp) (probabilities).
//
// Shapes: scores [B, Hq, Sq, Skv], contiguous; pairs that no sequence has are 0, hidden in masked.
//   log_sum_exp as the forward kernels wrote it, for probabilities.
// Work: a block of 128 threads owns 64 × 64 scores of a head.
// Registers: 32 sums a thread. Shared: state, 64 × 80 scores, 18 KiB of operands.
// Bytes: the scores once; queries and keys once for each 64 of the others.
// Numerics: float.
// Preconditions: terms.cuh; the forward pass has run where probabilities are asked for.
#include "tiles.cuh"

extern "C" __global__ void __launch_bounds__(128)
attention_scores(ARGUMENT(AttentionArgument, p)) {
  SHARED_MEMORY(shared);
  BlockState &state = *reinterpret_cast<BlockState *>(shared);
  float *tile = reinterpret_cast<float *>(shared + state_bytes);
  float *buffer = tile + 64 * score_stride;

  u32 place = blockIdx.x, key_tiles = u32(p.key_length + 63) / 64;
  i32 first = i32(place % key_tiles) * 64;
  place /= key_tiles;
  i32 first_query = i32(place % u32(p.tiles)) * 64;
  place /= u32(p.tiles);
  i32 head = i32(place % u32(p.query_heads));
  Sequence s = sequence_of(p, i32(place / u32(p.query_heads)));

  start_block(p, state);
  place_queries(p, s, state, head, first_query, 64);
  place_keys(p, s, state, head / (p.query_heads / p.key_heads), first, 0, s.stored);
  __syncthreads();
  float sums[8][4];
  multiply_tiles<8>(sums, p.query, state.query, p.aligned & aligned_query, p.key, state.key,
                       p.aligned & aligned_key, u32(p.head_dimension), p.element_type, buffer);
  put_scores<8>(tile, sums);
  __syncthreads();
  i64 line = (i64(s.batch) * p.query_heads + head) * p.query_length;
  for (u32 at = threadIdx.x; at < 64 * 64; at += attention_threads) {
    i32 r = i32(at / 64), key = first + i32(at % 64);
    if (first_query + r >= p.query_length || key >= p.key_length) continue;
    bool exists = state.index[r] >= 0 && key < s.stored;
    float score = exists ? tile[u32(r) * score_stride + at % 64] * p.scale : 0;
    if (p.score_stage >= stage_capped) score = capped_score(p, score);
    if (p.score_stage >= stage_masked) {
      ScoreRow row = score_row(
          p, s, head, most(state.index[r], 0), state.first[r], state.end[r]);
      score = masked_score(p, row, key, score, state.thresholds);
    }
    if (p.score_stage == stage_probabilities) {
      float log_sum = exists ? p.log_sum_exp[state.sum[r]] : 0;
      score = score == -infinity ? 0 : exponential(score - log_sum);
    }
    store_element(p.scores, (line + first_query + r) * p.key_length + key, p.scores_type, score);
  }
}

