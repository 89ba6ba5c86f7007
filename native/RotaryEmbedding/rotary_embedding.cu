// With (c, s) of the token's table row and pair i: output₁ = c·x₁ − s·x₂, output₂ = s·x₁ + c·x₂;
// the gradient takes −s for s. Elements behind the rotary dimension R are copied.
//
// Shapes: input, output [batch, heads, length, dimension] with strides over the first three;
//   tables [positions, R/2] or [batch, length, R/2] in float; ids [batch, length].
// Work: a block of 128 threads a token; a thread takes a unit of a head: where everything starts on
//   16 bytes, a chunk of first and a chunk of second elements (halves) or a chunk of pairs
//   (neighbours), else one pair; behind them a chunk or an element to copy.
// Registers: two chunks and their cosines and sines. Shared: none.
// Bytes: every element read and written once; a token's table row comes from L1 for all heads
//   but the first.
// Numerics: float, one rounding on writing. A position outside the tables gives NaN; nothing is
//   read out of bounds.
// Preconditions: the output may be the input, with its strides.
// Source: Su et al. 2021, eq. 34.
#include "../include/numbers.cuh"

struct RotaryEmbedding {
  const void *input;
  void *output;
  const float *cosines, *sines;
  const i32 *ids;
  i64 input_batch, input_head, input_row, output_batch, output_head, output_row;
  i32 heads, length, half, rest; // R/2 and dimension − R
  i32 positions, offset;         // positions 0: the tables are gathered
  i32 aligned;
  float direction; // 1, or −1 for the gradient
};

// Rotates Count pairs that start at pair i of the table row.
template <u32 Count> struct Rotation {
  float cosines[Count], sines[Count];

  __device__ __forceinline__ Rotation(const RotaryEmbedding &p, i64 row, u32 i) {
    u64 at = u64(row) * u32(p.half) + i;
    if (row < 0) {
#pragma unroll
      for (u32 k = 0; k < Count; k++) cosines[k] = sines[k] = not_a_number();
    } else if constexpr (Count % 4 == 0) {
#pragma unroll
      for (u32 k = 0; k < Count; k += 4) {
        float c[4], s[4];
        load_chunk(p.cosines + at + k, 0, 4, c);
        load_chunk(p.sines + at + k, 0, 4, s);
#pragma unroll
        for (u32 j = 0; j < 4; j++) {
          cosines[k + j] = c[j];
          sines[k + j] = s[j];
        }
      }
    } else {
#pragma unroll
      for (u32 k = 0; k < Count; k++) {
        cosines[k] = p.cosines[at + k];
        sines[k] = p.sines[at + k];
      }
    }
#pragma unroll
    for (u32 k = 0; k < Count; k++) sines[k] *= p.direction;
  }

  __device__ __forceinline__ void apply(u32 k, float &first, float &second) const {
    float x = first, y = second;
    first = cosines[k] * x - sines[k] * y;
    second = sines[k] * x + cosines[k] * y;
  }
};

// Unit `unit` of a head that starts at input and output.
template <typename T, bool Neighbours>
__device__ __forceinline__ void rotate_chunk(
    const RotaryEmbedding &p, const T *input, T *output, i64 row, u32 unit) {
  constexpr u32 count = chunk<T>;
  u32 half = u32(p.half), start = unit * count;
  float x[count], y[count];
  if constexpr (Neighbours) {
    load_chunk(input, start, start + count, x);
    if (start < 2 * half) {
      Rotation<count / 2> turn(p, row, start / 2);
#pragma unroll
      for (u32 k = 0; k < count / 2; k++) turn.apply(k, x[2 * k], x[2 * k + 1]);
    }
    store_chunk(output, start, start + count, x);
  } else if (start < half) {
    load_chunk(input, start, half, x);
    load_chunk(input + half, start, half, y);
    Rotation<count> turn(p, row, start);
#pragma unroll
    for (u32 k = 0; k < count; k++) turn.apply(k, x[k], y[k]);
    store_chunk(output, start, half, x);
    store_chunk(output + half, start, half, y);
  } else {
    load_chunk(input + half, start, start + count, x);
    store_chunk(output + half, start, start + count, x);
  }
}

template <typename T, bool Neighbours>
__device__ __forceinline__ void rotate_pair(
    const RotaryEmbedding &p, const T *input, T *output, i64 row, u32 unit) {
  u32 half = u32(p.half);
  if (unit >= half) {
    output[half + unit] = input[half + unit];
    return;
  }
  u32 first = Neighbours ? 2 * unit : unit, second = Neighbours ? first + 1 : unit + half;
  float x = to_float(input[first]), y = to_float(input[second]);
  Rotation<1>(p, row, unit).apply(0, x, y);
  output[first] = from_float<T>(x);
  output[second] = from_float<T>(y);
}

template <typename T, bool Neighbours>
__device__ __forceinline__ void rotary_embedding(const RotaryEmbedding &p) {
  u32 half = u32(p.half), rest = u32(p.rest), elements = (Neighbours ? 2 * half : half) + rest;
  u32 per_head = p.aligned ? elements / chunk<T> : half + rest;
  u32 token = blockIdx.x, batch = token / u32(p.length), place = token % u32(p.length);
  i64 row = token;
  if (p.positions != 0) {
    i32 position = p.ids ? p.ids[token] : p.offset + i32(place);
    row = u32(position) < u32(p.positions) ? position : -1;
  }
  const T *inputs = static_cast<const T *>(p.input) + i64(batch) * p.input_batch +
                    i64(place) * p.input_row;
  T *outputs = static_cast<T *>(p.output) + i64(batch) * p.output_batch +
               i64(place) * p.output_row;
  for (u32 k = threadIdx.x; k < u32(p.heads) * per_head; k += blockDim.x) {
    u32 head = k / per_head, unit = k % per_head;
    const T *input = inputs + i64(head) * p.input_head;
    T *output = outputs + i64(head) * p.output_head;
    if (p.aligned) rotate_chunk<T, Neighbours>(p, input, output, row, unit);
    else rotate_pair<T, Neighbours>(p, input, output, row, unit);
  }
}

extern "C" __global__ void __launch_bounds__(128)
rotary_embedding_f32_halves(ARGUMENT(RotaryEmbedding, p)) {
  rotary_embedding<float, false>(p);
}
extern "C" __global__ void __launch_bounds__(128)
rotary_embedding_f16_halves(ARGUMENT(RotaryEmbedding, p)) {
  rotary_embedding<f16, false>(p);
}
extern "C" __global__ void __launch_bounds__(128)
rotary_embedding_bf16_halves(ARGUMENT(RotaryEmbedding, p)) {
  rotary_embedding<bf16, false>(p);
}

extern "C" __global__ void __launch_bounds__(128)
rotary_embedding_f32_neighbours(ARGUMENT(RotaryEmbedding, p)) {
  rotary_embedding<float, true>(p);
}
extern "C" __global__ void __launch_bounds__(128)
rotary_embedding_f16_neighbours(ARGUMENT(RotaryEmbedding, p)) {
  rotary_embedding<f16, true>(p);
}
extern "C" __global__ void __launch_bounds__(128)
rotary_embedding_bf16_neighbours(ARGUMENT(RotaryEmbedding, p)) {
  rotary_embedding<bf16, true>(p);
}
