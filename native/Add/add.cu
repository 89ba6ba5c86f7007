// output[i] = left[i] + right[i].
//
// Shapes: [length] each.
// Work: a thread takes 16 bytes at a time; elements behind the last whole chunk, or all where a
//   tensor starts off 16 bytes, one by one.
// Registers: two chunks. Shared: none.
// Bytes: both inputs read once, output written once: bound by memory.
// Numerics: float, one rounding on writing.
// Preconditions: the output may be either input.
#include "../include/elementwise.cuh"

struct Add {
  const void *left, *right;
  void *output;
  u64 length, chunks;
};

template <typename T> __device__ __forceinline__ void add(const Add &p) {
  map(static_cast<const T *>(p.left), static_cast<const T *>(p.right),
      static_cast<T *>(p.output), p.length, p.chunks, [](float x, float y) { return x + y; });
}

extern "C" __global__ void __launch_bounds__(256) add_f32(ARGUMENT(Add, p)) {
  add<float>(p);
}
extern "C" __global__ void __launch_bounds__(256) add_f16(ARGUMENT(Add, p)) {
  add<f16>(p);
}
extern "C" __global__ void __launch_bounds__(256) add_bf16(ARGUMENT(Add, p)) {
  add<bf16>(p);
}
