// Stacks that hand the processor to each other.
#pragma once

#include "../include/platform.cuh"

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace emulation {

constexpr u32 stack_bytes = 64 * 1024;

// Stacks wait for the next launch: new ones would cost page faults every time.
class Stack {
public:
  Stack();
  ~Stack();
  Stack(const Stack &) = delete;

  u8 *end() const { return bytes + stack_bytes; }
  u8 *begin() const { return bytes; }

private:
  u8 *bytes;
};

class Fiber {
public:
  // The next switch to this fiber calls `entry`, which must never return.
  void start(void (*entry)(void *), void *argument);

  static void switch_to(Fiber &from, Fiber &to);

private:
  Stack stack;
#if defined(__x86_64__)
  void *pointer = nullptr;
#else
  ucontext_t context;
#endif
};

} // namespace emulation
