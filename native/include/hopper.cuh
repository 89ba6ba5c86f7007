// Hopper's own operations (sm_90a): mbarriers, the copy engine, products of a warpgroup.
//
// An mbarrier is 8 bytes of shared memory. A phase of it ends when as many arrivals have come as
// it counts and all bytes that arrivals announced have landed; phases have parity 0, 1, 0, … and
// barrier_wait(b, parity) returns once the phase of that parity has ended. A ring of stages has two
// for each: full, where consumers wait for bytes, and empty, where the producer waits for them.
// At a barrier where nobody has arrived, a wait for parity 1 returns at once.
//
// The copy engine moves a box of a tensor that a tensor map describes (written by
// cuTensorMapEncodeTiled, passed as part of the kernel's argument) and tells an mbarrier; what lies
// outside the tensor is filled with zeros and counts as bytes, too. With the 128-byte swizzle a box
// is 64 elements of 16 bits wide, its rows lie 128 bytes apart, and 16-byte chunk c of row r lies
// at place c ^ (r % 8), rows counted from a multiple of 1024 bytes: tile_offset<8> of tile.cuh.
//
// A warpgroup is 4 warps that begin at a multiple of 4. multiply_warpgroup<T, N> asks for
// d (+)= a·b with a 64×16, b 16×N and d 64×N in float. Operands lie in shared memory, named by
// descriptors, or a comes from registers as a fragment of tile.cuh, warp w having rows 16·w and on;
// d[n] is the fragment of columns [8·n, 8·n + 8). Tiles in shared memory:
//   k along       tile [row][k], 64 of k a line; 8 lines after 1024 bytes. A step of 16 of k is 32
//                 bytes further. tile_of_k
//   k across      tile [k][row], 64 rows a line; the next 8 of k after 1024 bytes, the next 64 rows
//                 after `leading`. A step of 16 of k is 2048 bytes further. tile_across_k
// Between an access to d or a's registers and the product that uses them stands products_fence;
// products_commit ends a group, products_wait<N> returns when at most N groups are unfinished.
// Until then neither registers nor tiles may be touched. What ordinary stores wrote to shared
// memory is seen by copies and products after async_fence and a barrier.
//
// Numerics: as tile.cuh.
// Preconditions: whole warpgroups; tiles start on 1024 bytes; sm_90a, or the emulation.
// Source: PTX ISA, "mbarrier", "cp.async.bulk.tensor", "wgmma", "setmaxnreg"; CUTLASS for what
// a descriptor's two strides mean.
#pragma once

#include "tile.cuh"

#if !defined(TRANSFORMER_EMULATION) && defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define TRANSFORMER_SM90A 1
#else
#define TRANSFORMER_SM90A 0
#endif

// True where this header's operations are.
static constexpr bool has_hopper = emulated || TRANSFORMER_SM90A;

#if defined(TRANSFORMER_EMULATION)
struct TensorMap {
  u64 words[16];
};
#else
struct alignas(64) TensorMap {
  u64 words[16];
};
#endif

// Where a kernel's argument lies: its tensor maps must not be copied elsewhere. Clang would copy an
// argument whose address is taken, unless it is named as PTX names it.
#if !defined(TRANSFORMER_EMULATION) && defined(__clang__)
#define ARGUMENT_ADDRESS(kernel, name)                                                      \
  [] {                                                                                      \
    u64 address;                                                                            \
    asm("{ .reg .u64 place; mov.u64 place, " #kernel "_param_0; cvta.param.u64 %0, place; }" \
        : "=l"(address));                                                                   \
    return address;                                                                         \
  }()
#else
#define ARGUMENT_ADDRESS(kernel, name) reinterpret_cast<u64>(&name)
#endif

// An address of shared memory for the operations below.
__device__ __forceinline__ u32 window_address(const void *address) {
#if defined(TRANSFORMER_EMULATION)
  return emulation::shared_address(address);
#else
  return shared_address(address);
#endif
}

#if defined(TRANSFORMER_EMULATION)

inline void barrier_initialise(u32 barrier, u32 arrivals) {
  emulation::initialise_barrier(barrier, arrivals);
}
inline void barriers_are_initialised() {}
inline void barrier_arrive(u32 barrier) { emulation::arrive_at_barrier(barrier, 0); }
inline void barrier_arrive(u32 barrier, u32 bytes) { emulation::arrive_at_barrier(barrier, bytes); }
inline void barrier_wait(u32 barrier, u32 parity) { emulation::wait_for_barrier(barrier, parity); }
inline void named_barrier_wait(u32 id, u32 threads) {
  emulation::synchronise_named(id, threads, true);
}
inline void named_barrier_arrive(u32 id, u32 threads) {
  emulation::synchronise_named(id, threads, false);
}
inline void copy_box(u32 to, u64 map, u32 barrier, i32 x, i32 y) {
  i32 place[] = {x, y};
  emulation::load_tensor(to, map, barrier, place, 2);
}
inline void copy_box(u32 to, u64 map, u32 barrier, i32 x, i32 y, i32 z, i32 w) {
  i32 place[] = {x, y, z, w};
  emulation::load_tensor(to, map, barrier, place, 4);
}
inline void copy_bulk(u32 to, const void *from, u32 bytes, u32 barrier) {
  emulation::load_bulk(to, from, bytes, barrier);
}
inline void async_fence() {}
inline void products_fence() { emulation::fence_products(); }
inline void products_commit() { emulation::commit_products(); }
template <u32 Pending> inline void products_wait() { emulation::wait_for_products(Pending); }
template <u32 Count> inline void registers_give() {}
template <u32 Count> inline void registers_take() {}

#else

__device__ __forceinline__ void barrier_initialise(u32 barrier, u32 arrivals) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}
// For the copy engine; the block's threads know after a __syncthreads.
__device__ __forceinline__ void barriers_are_initialised() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void barrier_arrive(u32 barrier) {
  asm volatile("mbarrier.arrive.release.cta.shared::cta.b64 _, [%0];" ::"r"(barrier) : "memory");
}
// Arrives, and announces bytes that are to land.
__device__ __forceinline__ void barrier_arrive(u32 barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.release.cta.shared::cta.b64 _, [%0], %1;" ::"r"(barrier),
               "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void barrier_wait(u32 barrier, u32 parity) {
  asm volatile("{\n\t.reg .pred ended;\n\t"
               "again:\n\t"
               "mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 ended, [%0], %1;\n\t"
               "@ended bra past;\n\t"
               "bra again;\n\t"
               "past:\n\t}" ::"r"(barrier),
               "r"(parity)
               : "memory");
}
// Barrier `id`, 1 to 15, of so many threads, of which some wait and the others go on.
__device__ __forceinline__ void named_barrier_wait(u32 id, u32 threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void named_barrier_arrive(u32 id, u32 threads) {
  asm volatile("bar.arrive %0, %1;" ::"r"(id), "r"(threads) : "memory");
}
__device__ __forceinline__ void copy_box(u32 to, u64 map, u32 barrier, i32 x, i32 y) {
  asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%3, %4}], [%2];" ::"r"(to),
               "l"(map), "r"(barrier), "r"(x), "r"(y)
               : "memory");
}
__device__ __forceinline__ void copy_box(
    u32 to, u64 map, u32 barrier, i32 x, i32 y, i32 z, i32 w) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%3, %4, %5, %6}], [%2];" ::"r"(to),
               "l"(map), "r"(barrier), "r"(x), "r"(y), "r"(z), "r"(w)
               : "memory");
}
// A piece of global memory; addresses and bytes are multiples of 16.
__device__ __forceinline__ void copy_bulk(u32 to, const void *from, u32 bytes, u32 barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1], %2, [%3];" ::"r"(to),
               "l"(from), "r"(bytes), "r"(barrier)
               : "memory");
}
__device__ __forceinline__ void async_fence() {
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
__device__ __forceinline__ void products_fence() {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
}
__device__ __forceinline__ void products_commit() {
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <u32 Pending> __device__ __forceinline__ void products_wait() {
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(Pending) : "memory");
}
// A warpgroup gives registers up, down to Count a thread, or takes them.
template <u32 Count> __device__ __forceinline__ void registers_give() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(Count));
}
template <u32 Count> __device__ __forceinline__ void registers_take() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(Count));
}

#endif

// Where a tile lies, in the 128-byte swizzle (header).
__device__ __forceinline__ u64 tile_of_k(u32 address) {
  return u64(1) << 62 | u64(1024 >> 4) << 32 | u64(1) << 16 | (address & 0x3FFFF) >> 4;
}
__device__ __forceinline__ u64 tile_across_k(u32 address, u32 leading) {
  return u64(1) << 62 | u64(1024 >> 4) << 32 | u64(leading >> 4) << 16 | (address & 0x3FFFF) >> 4;
}

// So many bytes further.
__device__ __forceinline__ u64 tile_after(u64 tile, u32 bytes) { return tile + (bytes >> 4); }

#include "hopper_products.cuh"
