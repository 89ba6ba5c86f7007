// output[i] = u(i) ≥ p ? input[i]·(1/(1 − p)) : 0 with u(i) of Philox stream (seed, stream, step);
// forward and backward alike.
//
// Shapes: [length] each; state [2]: seed, step, read on the device so that a captured graph draws
//   anew at every replay.
// Work: a thread takes whole blocks of four random numbers: 16 bytes at a time, or four elements
//   one by one behind the last whole chunk or where a tensor starts off 16 bytes.
// Registers: a chunk and a Philox state. Shared: none.
// Bytes: input read once, output written once; 20 wide products for four elements.
// Numerics: u, p and the factor exactly as the reference's in binary32; one rounding on writing.
//   A dropped NaN gives 0.
// Preconditions: the output may be the input.
// Source: Srivastava et al. 2014.
#include "../include/elementwise.cuh"
#include "../include/philox.cuh"

struct Dropout {
  const void *input;
  void *output;
  const i64 *state;
  u64 length, chunks;
  float probability, scale;
  u32 stream;
};

template <typename T> __device__ __forceinline__ void dropout(const Dropout &p) {
  constexpr u32 count = chunk<T>;
  const T *input = static_cast<const T *>(p.input);
  T *output = static_cast<T *>(p.output);
  u64 seed = u64(p.state[0]);
  u32 step = u32(p.state[1]);
  auto kept = [&](float x, u32 word) {
    return random_unit(word) >= p.probability ? x * p.scale : 0;
  };
  for (u64 c = launch_rank(); c < p.chunks; c += launch_threads()) {
    float x[count];
    load_chunk(input + c * count, 0, count, x);
#pragma unroll
    for (u32 block = 0; block < count / 4; block++) {
      Words random = random_words(seed, p.stream, step, c * (count / 4) + block);
#pragma unroll
      for (u32 i = 0; i < 4; i++) x[4 * block + i] = kept(x[4 * block + i], random.words[i]);
    }
    store_chunk(output + c * count, 0, count, x);
  }
  u64 done = p.chunks * (count / 4), blocks = (p.length + 3) / 4;
  for (u64 block = done + launch_rank(); block < blocks; block += launch_threads()) {
    Words random = random_words(seed, p.stream, step, block);
#pragma unroll
    for (u32 i = 0; i < 4; i++) {
      u64 at = 4 * block + i;
      if (at < p.length) output[at] = from_float<T>(kept(to_float(input[at]), random.words[i]));
    }
  }
}

extern "C" __global__ void __launch_bounds__(256) dropout_f32(ARGUMENT(Dropout, p)) {
  dropout<float>(p);
}
extern "C" __global__ void __launch_bounds__(256) dropout_f16(ARGUMENT(Dropout, p)) {
  dropout<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256) dropout_bf16(ARGUMENT(Dropout, p)) {
  dropout<bf16>(p);
}
