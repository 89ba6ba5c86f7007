// Stacks that hand the processor to each other.
#pragma once

#include "../include/platform.cuh"

#include <memory>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulation {

class Fiber {
public:
  void allocate(u32 stack_bytes);

  // The next switch to this fiber calls `entry`, which must never return.
  void start(void (*entry)(void *), void *argument);

  static void switch_to(Fiber &from, Fiber &to);

private:
  std::unique_ptr<u8[]> stack;
  u32 bytes = 0;
#if defined(__x86_64__)
  void *pointer = nullptr;
#else
  ucontext_t context;
#endif
};

} // namespace emulation
