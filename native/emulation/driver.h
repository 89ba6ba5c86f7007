// What the parts of the driver's interface share: devices, contexts, streams and the one lock.
#pragma once

#include "block.h"
#include "memory.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace emulation {

enum Status : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialised = 3,
  no_device = 100,
  invalid_device = 101,
  invalid_image = 200,
  invalid_context = 201,
  unsupported_ptx_version = 222,
  illegal_state = 401,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  launch_out_of_resources = 701,
  launch_failed = 719,
  capture_unsupported = 900,
  capture_invalidated = 901,
};

using Work = std::function<Status()>;

// Work that was recorded, and the device memory that it allocates: taken while it was recorded and
// kept as long as the graph, so that its address stays the same at every launch.
struct Graph {
  std::vector<Work> nodes;
  std::vector<std::shared_ptr<void>> memory;

  bool owns(void *address) const {
    for (auto &one : memory)
      if (one.get() == address) return true;
    return false;
  }
};

struct Context;

struct Stream {
  explicit Stream(Context *context) : context(context) {}
  Context *const context;
  std::deque<Work> work;
  std::unique_ptr<Graph> capture;
};

struct Context {
  explicit Context(int device) : device(device), legacy(this) {}
  const int device;
  Status broken = success; // after a kernel has faulted, every call answers with this
  u64 resets = 0;          // calls of transformer_emulation_reset
  Stream legacy;           // the default stream
  std::vector<Stream *> streams{&legacy};
};

extern std::recursive_mutex gate;
extern bool initialised;
extern thread_local Context *context;
extern std::string last_failure;

int setting(const char *name, int otherwise); // a number of the environment
int device_count();

inline Stream &of(void *stream) {
  return stream ? *static_cast<Stream *>(stream) : context->legacy;
}

Status drain(Stream &stream);
Status drain(Context &context);

// Work of a caller enters a stream, or the graph that the stream is recording.
int enter(void *stream, Work work);

template <typename Body> int locked(Body body) {
  std::lock_guard<std::recursive_mutex> lock(gate);
  if (!initialised) return not_initialised;
  return body();
}

// As above, for what needs a context.
template <typename Body> int current(Body body) {
  return locked([&]() -> int {
    if (!context) return invalid_context;
    if (context->broken != success) return context->broken;
    return body();
  });
}

} // namespace emulation

#define EXPORT extern "C" __attribute__((visibility("default")))
