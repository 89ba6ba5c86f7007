// The end of attention_hopper_forward.cu's rows: sums over totals, log-sum-exp, and rows that are
// not finite once more. Included there.
#pragma once

__device__ __forceinline__ i64 output_offset(
    const AttentionArgument &p, const HopperTask &task, i32 row) {
  return task.s.query_outer * p.output_strides.batch +
         i64(task.head) * p.output_strides.head + (task.s.query_row + row) * p.output_strides.row;
}

// A row by a warp, from the binary logarithm of its total: values whose weight is 0 do not count,
// whatever they are.
template <typename T>
__device__ __forceinline__ void attend_row_carefully(
    const AttentionArgument &p, const HopperTask &task, i32 row, float factor, float log_total) {
  const T *query = static_cast<const T *>(p.query) +
                   task.s.query_outer * p.query_strides.batch +
                   i64(task.head) * p.query_strides.head +
                   (task.s.query_row + row) * p.query_strides.row;
  i32 key_head = task.head / (p.query_heads / p.key_heads), low, high;
  const T *keys = static_cast<const T *>(p.key) + i64(key_head) * p.key_strides.head;
  const T *values = static_cast<const T *>(p.value) + i64(key_head) * p.value_strides.head;
  visible_keys(p, task.s, row, low, high);
  u32 lane = threadIdx.x % 32;
  float sums[4] = {};
#pragma unroll 1
  for (i32 key = low; key < high; key++) {
    const T *own = keys + key_place(p, task.s, p.key_strides, key);
    float score = 0;
#pragma unroll 1
    for (u32 d = lane; d < u32(p.head_dimension); d += 32)
      score = multiply_add(to_float(query[d]), to_float(own[d]), score);
#pragma unroll 1
    for (int lanes = 16; lanes > 0; lanes /= 2)
      score += __shfl_xor_sync(all_lanes, score, lanes);
    float weight = exp2_fast(multiply_add(score, factor, -log_total));
    if (weight == 0) continue;
    const T *value = values + key_place(p, task.s, p.value_strides, key);
#pragma unroll
    for (u32 i = 0; i < 4; i++)
      if (lane + 32 * i < u32(p.value_dimension))
        sums[i] = multiply_add(weight, to_float(value[lane + 32 * i]), sums[i]);
  }
  T *output = static_cast<T *>(p.output) + output_offset(p, task, row);
#pragma unroll
  for (u32 i = 0; i < 4; i++)
    if (lane + 32 * i < u32(p.value_dimension)) output[lane + 32 * i] = from_float<T>(sums[i]);
}

// A quad's words are exchanged so that each lane has 16 bytes of a row: of four fragments side by
// side the lane's own.
__device__ __forceinline__ void exchange_in_quad(u32 &low, u32 &high, u32 bit) {
  bool upper = threadIdx.x & bit;
  u32 got = u32(__shfl_xor_sync(all_lanes, int(upper ? low : high), int(bit)));
  low = upper ? got : low;
  high = upper ? high : got;
}

__device__ __forceinline__ void transpose_quad(u32 (&words)[4]) {
  exchange_in_quad(words[0], words[1], 1);
  exchange_in_quad(words[2], words[3], 1);
  exchange_in_quad(words[0], words[2], 2);
  exchange_in_quad(words[1], words[3], 2);
}

template <typename T, u32 Width>
__device__ __forceinline__ void finish_rows(
    const AttentionArgument &p, const HopperTask &task, i32 own, float factor,
    RowState<Width> &state) {
#pragma unroll
  for (u32 half = 0; half < 2; half++) {
    i32 row = own + i32(8 * half);
    float total = state.totals[half], top = state.maxima[half];
    total += __shfl_xor_sync(all_lanes, total, 1);
    total += __shfl_xor_sync(all_lanes, total, 2);
    bool blind = top == -infinity;
    float log_total = blind ? -infinity : multiply_add(top, factor, log2_fast(total));
    float scale = blind ? 0 : 1 / total, extent = 0;
#pragma unroll
    for (u32 n = 0; n < Width / 8; n++)
#pragma unroll
      for (u32 e = 2 * half; e < 2 * half + 2; e++) {
        // A row that sees nothing may have met what is not finite.
        state.sums[n][e] = blind ? 0 : state.sums[n][e] * scale;
        extent = multiply_add(state.sums[n][e], 0.f, extent);
      }
    extent += __shfl_xor_sync(all_lanes, extent, 1);
    extent += __shfl_xor_sync(all_lanes, extent, 2);
    bool inside = row <= task.last, finite = extent == 0;
    if (p.log_sum_exp && inside && threadIdx.x % 4 == 0)
      p.log_sum_exp[row_index(p, task.s, task.head, row)] = log_total * ln_2;
    T *output = static_cast<T *>(p.output) + output_offset(p, task, row);
#pragma unroll
    for (u32 n = 0; n < Width / 8; n += 4) {
      Words words;
#pragma unroll
      for (u32 i = 0; i < 4; i++)
        words.words[i] =
            as_pair<T>(state.sums[n + i][2 * half], state.sums[n + i][2 * half + 1]);
      transpose_quad(words.words);
      u32 column = 8 * (n + threadIdx.x % 4);
      if (inside && finite && column < u32(p.value_dimension)) store_words(output + column, words);
    }
    u32 again = __ballot_sync(all_lanes, inside && !finite);
#pragma unroll 1
    for (u32 quad = 0; again && quad < 8; quad++) {
      if (!(again >> 4 * quad & 1)) continue;
      float log_of_row = __shfl_sync(all_lanes, log_total, int(4 * quad));
      i32 number = __shfl_sync(all_lanes, row, int(4 * quad));
      attend_row_carefully<T>(p, task, number, factor, log_of_row);
    }
  }
}
