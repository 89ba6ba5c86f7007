#include "block.h"

#include "asynchronous.h"
#include "fiber.h"
#include "memory.h"

#include <algorithm>
#include <atomic>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <unistd.h>
#include <vector>

namespace emulation {

thread_local const Place *place;

namespace {

constexpr u32 slot_bytes = 64;

enum class Wait { none, block, warp, condition, finished };

struct Lane {
  Fiber fiber;
  Place place;
  Wait wait = Wait::finished;
  u32 line = 0;  // of the barrier where it waits
  Condition condition;
  u32 steps = 0; // warp operations so far; the lanes of a warp agree
  u8 slots[2][slot_bytes];
  const void *seen[32];
  Copies copies;
};

std::string text(const Place &at);

// One thread of the operating system and the block that it runs.
class Worker {
public:
  explicit Worker(const Launch &launch)
      : launch(launch), size(launch.block.x * launch.block.y * launch.block.z),
        lanes(new Lane[size]), order(size), shared(launch.shared_bytes),
        background(static_cast<u8 *>(shared.data()), launch.shared_bytes) {}

  // Runs one block; false when it failed, with the reason in `message`.
  Outcome run_block(u64 block, u64 seed, std::string &message);

  void synchronise(u32 line) {
    lanes[current].wait = Wait::block;
    lanes[current].line = line;
    yield();
  }

  const void *const *exchange(u32 mask, const void *value, u32 bytes);

  void copy(u8 *to, const u8 *from, u32 bytes, u32 size);
  Copies &copies() { return lanes[current].copies; }

  // Returns once that has come.
  void await(const Condition &condition) {
    while (!background.has_come(condition)) {
      lanes[current].condition = condition;
      lanes[current].wait = Wait::condition;
      yield();
    }
  }

  [[noreturn]] void fail(const char *reason) {
    failure = text(lanes[current].place) + ": " + reason;
    outcome = Outcome::failed;
    Fiber::switch_to(lanes[current].fiber, scheduler);
    std::abort();
  }

  u32 current = 0;
  GuardedBytes &shared_bytes() { return shared; }
  Asynchronous &asynchronous() { return background; }

  // Where a bad address inside a kernel continues.
  sigjmp_buf fault;
  const void *fault_address = nullptr;
  bool inside = false;

private:
  static void enter(void *self) {
    Worker *worker = static_cast<Worker *>(self);
    worker->launch.kernel(worker->launch.argument);
    worker->lanes[worker->current].wait = Wait::finished;
    worker->yield();
    std::abort();
  }

  void yield() {
    u32 own = current;
    Fiber::switch_to(lanes[own].fiber, scheduler);
    current = own;
    place = &lanes[own].place;
  }

  bool release_barrier();
  bool waits_for_an_ended_thread() const;
  bool run_lanes(u32 first, u32 last);
  std::string describe(const void *address) const;

  const Launch &launch;
  const u32 size;
  std::unique_ptr<Lane[]> lanes;
  std::vector<u32> order;
  GuardedBytes shared;
  Asynchronous background;
  Fiber scheduler;
  Outcome outcome = Outcome::done;
  std::string failure;
};

thread_local Worker *worker;

const void *const *Worker::exchange(u32 mask, const void *value, u32 bytes) {
  Lane &own = lanes[current];
  u32 first = current & ~31u, count = std::min(32u, size - first);
  if (bytes > slot_bytes) fail("a warp operation hands in more than 64 bytes");
  if (mask != all_lanes) fail("a warp operation leaves out threads; kernels use whole warps");
  std::memcpy(own.slots[own.steps & 1], value, bytes);
  own.wait = Wait::warp;
  bool complete = true;
  for (u32 lane = 0; lane < count; lane++) {
    Wait other = lanes[first + lane].wait;
    if (other == Wait::finished) fail("a warp operation waits for a thread that has ended");
    complete &= other == Wait::warp;
  }
  if (!complete) {
    yield();
    return own.seen;
  }
  // The last lane to come lets all of them go on. A slot is written again at the next step but
  // one, which no lane can reach before all have read what this step gave.
  for (u32 lane = 0; lane < count; lane++) {
    Lane &other = lanes[first + lane];
    other.wait = Wait::none;
    for (u32 from = 0; from < 32; from++)
      other.seen[from] = from < count ? lanes[first + from].slots[own.steps & 1] : nullptr;
  }
  for (u32 lane = 0; lane < count; lane++) lanes[first + lane].steps++;
  return own.seen;
}

void Worker::copy(u8 *to, const u8 *from, u32 bytes, u32 size) {
  u8 *begin = static_cast<u8 *>(shared.data());
  if (to < begin || to + size > begin + launch.shared_bytes)
    fail("an asynchronous copy leaves the block's shared memory");
  if ((reinterpret_cast<u64>(to) | reinterpret_cast<u64>(from)) % size)
    fail("an asynchronous copy is not aligned to its size");
  lanes[current].copies.add(to, from, bytes, size);
}

// All that have not ended are at the barrier: they go on. False when some wait for a warp, or the
// lanes of a warp at different barriers.
bool Worker::release_barrier() {
  u32 line = 0;
  for (u32 i = 0; i < size; i++) {
    if (i % 32 == 0) line = 0;
    if (lanes[i].wait == Wait::finished) continue;
    if (lanes[i].wait != Wait::block || (line != 0 && lanes[i].line != line)) return false;
    line = lanes[i].line;
  }
  for (u32 i = 0; i < size; i++)
    if (lanes[i].wait == Wait::block) lanes[i].wait = Wait::none;
  return true;
}

// A thread may end after all others of its warp have come to an operation.
bool Worker::waits_for_an_ended_thread() const {
  for (u32 i = 0; i < size; i++) {
    if (lanes[i].wait != Wait::warp) continue;
    for (u32 other = i & ~31u; other < std::min(size, (i & ~31u) + 32); other++)
      if (lanes[other].wait == Wait::finished) return true;
  }
  return false;
}

// Lets those of `order` that wait for nothing go on until they do; false when there are none.
bool Worker::run_lanes(u32 first, u32 last) {
  bool moved = false;
  for (u32 i = first; i < last; i++) {
    u32 lane = order[i];
    if (lanes[lane].wait == Wait::condition && background.has_come(lanes[lane].condition))
      lanes[lane].wait = Wait::none;
    if (lanes[lane].wait != Wait::none) continue;
    current = lane;
    place = &lanes[lane].place;
    Fiber::switch_to(scheduler, lanes[lane].fiber);
    moved = true;
    if (outcome != Outcome::done) break;
  }
  return moved;
}

std::string text(const Place &at) {
  auto three = [](Index3 i) {
    return "(" + std::to_string(i.x) + ", " + std::to_string(i.y) + ", " + std::to_string(i.z) +
           ")";
  };
  return "thread " + three(at.thread) + " of block " + three(at.block);
}

std::string Worker::describe(const void *address) const {
  if (shared.is_beyond(address))
    return "memory beyond the " + std::to_string(launch.shared_bytes) +
           " bytes of shared memory that the launch asked for";
  std::string device = describe_device(address);
  if (!device.empty()) return device;
  char number[32];
  std::snprintf(number, sizeof(number), "%p", address);
  return "address " + std::string(number) + ", where no memory is";
}

Outcome Worker::run_block(u64 block, u64 seed, std::string &message) {
  Index3 grid = launch.grid, shape = launch.block;
  Index3 index{u32(block % grid.x), u32(block / grid.x % grid.y), u32(block / grid.x / grid.y)};
  shared.poison();
  for (u32 i = 0; i < size; i++) {
    Index3 thread{i % shape.x, i / shape.x % shape.y, i / shape.x / shape.y};
    lanes[i].place = {thread, index, shape, grid};
    lanes[i].wait = Wait::none;
    lanes[i].steps = 0;
    lanes[i].copies.clear();
    lanes[i].fiber.start(enter, this);
    order[i] = i;
  }
  background.restart(size, u32(seed * 2654435761u + block + 2));
  outcome = Outcome::done;
  worker = this;
  std::minstd_rand random(u32(seed * 2654435761u + block + 1));
  if (sigsetjmp(fault, 1)) {
    inside = false;
    message = text(lanes[current].place) + " touched " + describe(fault_address);
    return Outcome::illegal_address;
  }
  inside = true;
  for (bool running = true; running;) {
    std::shuffle(order.begin(), order.end(), random);
    // At every other turn, by chance, the warps run one after the other, each as far as it comes
    // alone: one far ahead overwrites what the rest have yet to read, where no barrier holds it.
    bool alone = random() % 2 == 0;
    u32 turn = u32(random()) & 31;
    if (alone)
      std::stable_sort(order.begin(), order.end(), [turn](u32 a, u32 b) {
        return (a / 32 ^ turn) < (b / 32 ^ turn);
      });
    bool moved = false;
    running = false;
    for (u32 first = 0, last; first < size; first = last) {
      for (last = first; last < size && (!alone || order[last] / 32 == order[first] / 32);) last++;
      while (run_lanes(first, last)) {
        moved = true;
        if (!alone || outcome != Outcome::done) break;
      }
      if (outcome != Outcome::done) {
        inside = false;
        message = failure;
        return outcome;
      }
    }
    for (u32 i = 0; i < size; i++) running |= lanes[i].wait != Wait::finished;
    bool landed = background.land(!moved);
    if (running && !moved && !landed && !release_barrier()) {
      inside = false;
      message = waits_for_an_ended_thread()
                    ? "a warp operation waits for a thread that has ended"
                    : "threads wait for each other: a barrier or warp operation is not reached by "
                      "all";
      return Outcome::failed;
    }
  }
  inside = false;
  if (!shared.overrun()) return Outcome::done;
  message = "the bytes after the " + std::to_string(launch.shared_bytes) +
            " bytes of shared memory that the launch asked for were written";
  return Outcome::illegal_address;
}

struct sigaction previous[2];

void on_fault(int signal, siginfo_t *info, void *context) {
  if (worker && worker->inside) {
    worker->fault_address = info->si_addr;
    siglongjmp(worker->fault, 1);
  }
  std::string touched = describe_device(info->si_addr);
  if (!touched.empty()) {
    touched = "CUDA emulation: the host touched " + touched +
              "; copy it, as on a machine with a GPU.\n";
    if (write(STDERR_FILENO, touched.data(), touched.size()) < 0) std::abort();
  }
  // Somebody else's fault: to whoever handled it before.
  struct sigaction &old = previous[signal == SIGBUS];
  if (old.sa_flags & SA_SIGINFO) old.sa_sigaction(signal, info, context);
  else if (old.sa_handler != SIG_DFL && old.sa_handler != SIG_IGN) old.sa_handler(signal);
  else {
    sigaction(signal, &old, nullptr);
    raise(signal);
  }
}

} // namespace

Asynchronous &asynchronous() { return worker->asynchronous(); }
void await(const Condition &condition) { worker->await(condition); }
void *shared_memory() { return worker->shared_bytes().data(); }
void synchronise_block(u32 line) { worker->synchronise(line); }
u32 thread_rank() { return worker->current; }
void fail(const char *message) { worker->fail(message); }
void copy_async(void *shared, const void *global, u32 bytes, u32 size) {
  worker->copy(static_cast<u8 *>(shared), static_cast<const u8 *>(global), bytes, size);
}
void commit_copies() { worker->copies().commit(); }
void wait_for_copies(u32 pending) { worker->copies().wait(pending); }
const void *const *exchange(u32 mask, const void *value, u32 size) {
  return worker->exchange(mask, value, size);
}

void install_fault_handler() {
  static std::once_flag once;
  std::call_once(once, [] {
    struct sigaction action = {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(SIGSEGV, &action, &previous[0]);
    sigaction(SIGBUS, &action, &previous[1]);
  });
}

Outcome run(const Launch &launch, std::string &message) {
  static std::atomic<u64> launches;
  u64 seed = launches++;
  u64 blocks = u64(launch.grid.x) * launch.grid.y * launch.grid.z;
  std::vector<u64> order(blocks);
  for (u64 i = 0; i < blocks; i++) order[i] = i;
  std::shuffle(order.begin(), order.end(), std::minstd_rand(u32(seed + 1)));
  std::atomic<u64> next{0};
  std::mutex gate;
  Outcome outcome = Outcome::done;
  auto work = [&] {
    AlternateStack stack;
    Worker own(launch);
    for (u64 i; (i = next++) < blocks;) {
      std::string reason;
      Outcome now = own.run_block(order[i], seed, reason);
      if (now == Outcome::done) continue;
      std::lock_guard<std::mutex> lock(gate);
      if (outcome == Outcome::done) {
        outcome = now;
        message = reason;
      }
      next = blocks;
    }
    worker = nullptr;
  };
  DeviceAccess access(launch.device);
  u32 threads = u32(std::min<u64>(blocks, std::max(1u, std::thread::hardware_concurrency())));
  std::vector<std::thread> others;
  for (u32 i = 1; i < threads; i++) others.emplace_back(work);
  work();
  for (std::thread &other : others) other.join();
  std::string overrun = overrun_device(launch.device);
  if (outcome == Outcome::done && !overrun.empty()) {
    outcome = Outcome::illegal_address;
    message = overrun;
  }
  return outcome;
}

} // namespace emulation
