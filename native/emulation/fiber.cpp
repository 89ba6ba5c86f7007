#include "fiber.h"

#include <mutex>
#include <vector>

namespace emulation {

static std::mutex gate;
static std::vector<u8 *> &spare = *new std::vector<u8 *>; // threads may outlive static objects

Stack::Stack() {
  std::lock_guard<std::mutex> lock(gate);
  if (spare.empty()) {
    bytes = new u8[stack_bytes];
    return;
  }
  bytes = spare.back();
  spare.pop_back();
}

Stack::~Stack() {
  std::lock_guard<std::mutex> lock(gate);
  spare.push_back(bytes);
}

#if defined(__x86_64__)

// A switch saves what the calling convention asks a function to preserve; everything else is the
// caller's to save. Some nanoseconds, where swapcontext enters the kernel twice.
extern "C" void emulation_switch(void **from, void *to);
asm(R"(
  .text
  .globl emulation_switch
  .hidden emulation_switch
emulation_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret

  .globl emulation_enter
  .hidden emulation_enter
emulation_enter:
  movq %r12, %rdi
  callq *%rbx
  ud2
)");
extern "C" void emulation_enter();

void Fiber::start(void (*entry)(void *), void *argument) {
  // As if emulation_switch had been called from emulation_enter: six registers, then the address
  // to return to. That return leaves the stack 16-byte aligned, as a call instruction needs it.
  u64 top = reinterpret_cast<u64>(stack.end()) & ~u64(15);
  u64 *frame = reinterpret_cast<u64 *>(top) - 9;
  frame[0] = frame[1] = frame[2] = 0;
  frame[3] = reinterpret_cast<u64>(argument); // r12
  frame[4] = reinterpret_cast<u64>(entry);    // rbx
  frame[5] = 0;
  frame[6] = reinterpret_cast<u64>(emulation_enter);
  frame[7] = frame[8] = 0;
  pointer = frame;
}

void Fiber::switch_to(Fiber &from, Fiber &to) { emulation_switch(&from.pointer, to.pointer); }

#else

static void enter(u32 entry_high, u32 entry_low, u32 high, u32 low) {
  auto entry = reinterpret_cast<void (*)(void *)>(u64(entry_high) << 32 | entry_low);
  entry(reinterpret_cast<void *>(u64(high) << 32 | low));
}

void Fiber::start(void (*entry)(void *), void *argument) {
  getcontext(&context);
  context.uc_stack.ss_sp = stack.begin();
  context.uc_stack.ss_size = stack_bytes;
  context.uc_link = nullptr;
  u64 e = reinterpret_cast<u64>(entry), a = reinterpret_cast<u64>(argument);
  makecontext(&context, reinterpret_cast<void (*)()>(enter), 4, u32(e >> 32), u32(e),
              u32(a >> 32), u32(a));
}

void Fiber::switch_to(Fiber &from, Fiber &to) { swapcontext(&from.context, &to.context); }

#endif

} // namespace emulation
