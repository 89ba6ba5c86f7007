// CUDA's device side on a CPU: what a kernel sees while the emulation runs it.
//
// Each thread of a block is a fiber; a block's fibers share one thread of the operating system and
// yield to each other at barriers and warp operations only, in an order that is shuffled anew at
// every turn, now all in step and now one warp far ahead, so that a missing barrier changes
// results. Blocks run in shuffled order, too, on as
// many threads as the machine has.
//
// Asynchronous copies (cp.async) happen where they are waited for, not where they are asked for;
// asynchronous.h tells of the rest.
//
// Shared memory is poisoned with NaN at the start of a block and ends at a page that cannot be
// touched; device memory lies between such pages and is out of the host's reach while no kernel
// runs (memory.h). A bad address, and a write beside what was allocated, end the launch with
// CUDA_ERROR_ILLEGAL_ADDRESS; a barrier that not all reach ends it with CUDA_ERROR_LAUNCH_FAILED.
#pragma once

#include <cmath>
#include <cstring>

#define __device__
#define __global__ __attribute__((visibility("default")))
#define __forceinline__ inline
#define __launch_bounds__(...)

// Launched through a pointer to the argument struct: every kernel has the same signature.
#define ARGUMENT(type, name) const type &name
#define SHARED_MEMORY(name) u8 *name = static_cast<u8 *>(emulation::shared_memory())

namespace emulation {

struct Index3 {
  u32 x, y, z;
};

// Where the running fiber stands.
struct Place {
  Index3 thread, block, block_size, grid_size;
};

extern thread_local const Place *place;

// The running block's shared memory.
void *shared_memory();

// __syncthreads on a line of the source: the lanes of a warp must come to the same one.
void synchronise_block(u32 line);

// One step of the lanes of `mask` together: each hands in `size` bytes (64 at most) and gets a
// look at what every lane handed in, until its next step. Slots of other lanes hold null.
const void *const *exchange(u32 mask, const void *value, u32 size);

// The running fiber's number within its block, and within its warp.
u32 thread_rank();
inline u32 lane() { return thread_rank() & 31; }

// A copy of `bytes` bytes into shared memory, zeros behind them up to `size`. It happens when the
// fiber waits for it and no sooner; until then the place holds NaN, as the hardware may write there
// at any time after the copy was asked for.
void copy_async(void *shared, const void *global, u32 bytes, u32 size);
// Ends the fiber's group of copies; waits until at most `pending` of its groups are unfinished.
void commit_copies();
void wait_for_copies(u32 pending);

// Hopper's operations, as ../include/hopper.cuh tells them (asynchronous.h). Shared memory has
// addresses of 32 bits that begin here: on 128 bytes, and on no more.
static constexpr u32 shared_window = 1152;
u32 shared_address(const void *address);
void initialise_barrier(u32 barrier, u32 arrivals);
void arrive_at_barrier(u32 barrier, u32 transaction_bytes);
void wait_for_barrier(u32 barrier, u32 parity);
void synchronise_named(u32 id, u32 threads, bool waits);
void load_tensor(u32 to, u64 map, u32 barrier, const i32 *place, u32 rank);
void load_bulk(u32 to, const void *from, u32 bytes, u32 barrier);

// A thread's part in a product of its warpgroup.
struct WarpgroupProduct {
  u64 descriptor_a, descriptor_b;
  const u32 *a; // 4 registers; null: a lies in shared memory
  float *sums;  // columns / 2
  u32 columns;
  bool a_across, b_across, is_bf16, adds;
};
void multiply_warpgroup(const WarpgroupProduct &product);
void fence_products();
void commit_products();
void wait_for_products(u32 pending);

// Ends the launch with CUDA_ERROR_LAUNCH_FAILED and this message.
[[noreturn]] void fail(const char *message);

template <typename T> T shuffle(u32 mask, T value, u32 source) {
  const void *const *all = exchange(mask, &value, sizeof(T));
  if (!all[source]) fail("a shuffle reads a lane that does not take part");
  T result;
  std::memcpy(&result, all[source], sizeof(T));
  return result;
}

} // namespace emulation

#define threadIdx (emulation::place->thread)
#define blockIdx (emulation::place->block)
#define blockDim (emulation::place->block_size)
#define gridDim (emulation::place->grid_size)

inline void __syncthreads(u32 line = __builtin_LINE()) { emulation::synchronise_block(line); }
inline void __syncwarp(u32 mask = 0xFFFFFFFF) {
  u8 nothing = 0;
  emulation::exchange(mask, &nothing, 1);
}
inline void __threadfence() { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

template <typename T> T __shfl_xor_sync(u32 mask, T value, int lanes) {
  return emulation::shuffle(mask, value, emulation::lane() ^ u32(lanes));
}
template <typename T> T __shfl_sync(u32 mask, T value, int lane) {
  return emulation::shuffle(mask, value, u32(lane) & 31);
}
template <typename T> T __shfl_up_sync(u32 mask, T value, int lanes) {
  u32 own = emulation::lane();
  return emulation::shuffle(mask, value, own < u32(lanes) ? own : own - u32(lanes));
}
template <typename T> T __shfl_down_sync(u32 mask, T value, int lanes) {
  u32 own = emulation::lane();
  return emulation::shuffle(mask, value, own + u32(lanes) > 31 ? own : own + u32(lanes));
}
inline u32 __ballot_sync(u32 mask, bool predicate) {
  const void *const *all = emulation::exchange(mask, &predicate, 1);
  u32 votes = 0;
  for (u32 lane = 0; lane < 32; lane++)
    if (all[lane] && *static_cast<const bool *>(all[lane])) votes |= 1u << lane;
  return votes;
}

inline float atomicAdd(float *address, float value) {
  float seen = *address, sum;
  do sum = seen + value;
  while (!__atomic_compare_exchange(
      address, &seen, &sum, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
  return seen;
}
inline int atomicAdd(int *address, int value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}
inline u64 atomicAdd(u64 *address, u64 value) {
  return __atomic_fetch_add(address, value, __ATOMIC_RELAXED);
}

static constexpr bool emulated = true;
