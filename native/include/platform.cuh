// The part of CUDA C that the kernels use, for each compiler that builds them:
//   nvcc, NVRTC            their own headers
//   clang without toolkit  qualifiers and builtins declared here; gives PTX
//   a host C++ compiler    emulation/device.h; runs the kernels on a CPU
//
// Kernels keep to these rules, so that all four compile and the emulation can watch them:
//   - one argument, a plain struct, declared by ARGUMENT; its C# twin has the same layout;
//   - shared memory only through SHARED_MEMORY, its size given at launch;
//   - no header of a standard library, no function of libdevice: numbers.cuh has what is needed.
#pragma once

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;
using i32 = int;
using i64 = long long;

#if defined(TRANSFORMER_EMULATION)

#include "../emulation/device.h"

#else

#if defined(__clang__)

#define __device__ __attribute__((device))
#define __global__ __attribute__((global))
#define __shared__ __attribute__((shared))
#define __constant__ __attribute__((constant))
#define __grid_constant__
#define __forceinline__ __inline__ __attribute__((always_inline))
#define __launch_bounds__(...) __attribute__((launch_bounds(__VA_ARGS__)))

// __syncthreads is a builtin.

// Reads a special register where a member is read, as CUDA's own variables do.
#define SPECIAL_REGISTERS(type, name, register)                                           \
  struct type {                                                                           \
    __declspec(property(get = read_x)) u32 x;                                             \
    __declspec(property(get = read_y)) u32 y;                                             \
    __declspec(property(get = read_z)) u32 z;                                             \
    static __device__ __forceinline__ u32 read_x() { return __nvvm_read_ptx_sreg_##register##_x(); } \
    static __device__ __forceinline__ u32 read_y() { return __nvvm_read_ptx_sreg_##register##_y(); } \
    static __device__ __forceinline__ u32 read_z() { return __nvvm_read_ptx_sreg_##register##_z(); } \
  };                                                                                      \
  extern const __device__ __attribute__((weak)) type name

SPECIAL_REGISTERS(ThreadIndex, threadIdx, tid);
SPECIAL_REGISTERS(BlockIndex, blockIdx, ctaid);
SPECIAL_REGISTERS(BlockSize, blockDim, ntid);
SPECIAL_REGISTERS(GridSize, gridDim, nctaid);
#undef SPECIAL_REGISTERS

static __device__ __forceinline__ void __syncwarp(u32 mask = 0xFFFFFFFF) {
  __nvvm_bar_warp_sync(mask);
}
static __device__ __forceinline__ void __threadfence() { __nvvm_membar_gl(); }

static __device__ __forceinline__ float __shfl_xor_sync(u32 mask, float value, int lanes) {
  return __nvvm_shfl_sync_bfly_f32(mask, value, lanes, 31);
}
static __device__ __forceinline__ int __shfl_xor_sync(u32 mask, int value, int lanes) {
  return __nvvm_shfl_sync_bfly_i32(mask, value, lanes, 31);
}
static __device__ __forceinline__ float __shfl_sync(u32 mask, float value, int lane) {
  return __nvvm_shfl_sync_idx_f32(mask, value, lane, 31);
}
static __device__ __forceinline__ int __shfl_sync(u32 mask, int value, int lane) {
  return __nvvm_shfl_sync_idx_i32(mask, value, lane, 31);
}
static __device__ __forceinline__ float __shfl_up_sync(u32 mask, float value, int lanes) {
  return __nvvm_shfl_sync_up_f32(mask, value, lanes, 0);
}
static __device__ __forceinline__ float __shfl_down_sync(u32 mask, float value, int lanes) {
  return __nvvm_shfl_sync_down_f32(mask, value, lanes, 31);
}
static __device__ __forceinline__ u32 __ballot_sync(u32 mask, bool predicate) {
  return __nvvm_vote_ballot_sync(mask, predicate);
}
static __device__ __forceinline__ float atomicAdd(float* address, float value) {
  return __nvvm_atom_add_gen_f(address, value);
}
static __device__ __forceinline__ int atomicAdd(int* address, int value) {
  return __nvvm_atom_add_gen_i(address, value);
}
static __device__ __forceinline__ u64 atomicAdd(u64* address, u64 value) {
  return u64(__nvvm_atom_add_gen_ll(reinterpret_cast<i64*>(address), i64(value)));
}

#elif defined(__CUDACC_RTC__)

// It has these under the names of the standard headers alone.
#define __builtin_memcpy memcpy
#define __builtin_fmaf fmaf
#define __builtin_fabsf fabsf

#endif

// The kernel's argument struct, read from constant memory by every thread.
#define ARGUMENT(type, name) const __grid_constant__ type name

// The block's shared memory, as many bytes as the launch gave.
#define SHARED_MEMORY(name) extern __shared__ __attribute__((aligned(128))) u8 name[]

static constexpr bool emulated = false;

#endif

static constexpr u32 all_lanes = 0xFFFFFFFF;
