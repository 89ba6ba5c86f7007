// The CUDA driver's interface over the emulation: the functions that Transformer.Cuda calls, under
// the names and with the signatures that libcuda has.
//
// Work given to a stream waits in it until somebody synchronises: a program that reads a result
// without waiting reads what was there before. A kernel is the exported function of its name in
// this very library; a module's image is not looked at, except that it must not be empty.
#include "block.h"
#include "memory.h"

#include <algorithm>
#include <chrono>
#include <deque>
#include <dlfcn.h>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace {

using namespace emulation;

enum Status : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialised = 3,
  invalid_device = 101,
  invalid_image = 200,
  invalid_context = 201,
  illegal_state = 401,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  launch_out_of_resources = 701,
  launch_failed = 719,
  capture_unsupported = 900,
  capture_invalidated = 901,
};

using Clock = std::chrono::steady_clock;

struct Graph {
  std::vector<std::function<Status()>> nodes;
};

struct Stream {
  std::deque<std::function<Status()>> work;
  std::unique_ptr<Graph> capture;
};

struct Event {
  Stream *stream = nullptr;
  u64 recorded = 0, reached = 0;
  Clock::time_point time;
};

struct Function {
  Kernel kernel;
  std::string name;
};

std::recursive_mutex gate;
bool initialised;
Stream legacy; // the default stream
Status broken = success; // after a kernel has faulted, every call answers with this
thread_local void *context;
int context_token; // its address is the primary context
std::string last_failure;

constexpr u32 maximum_shared_bytes = 227 * 1024;

Stream &of(void *stream) { return stream ? *static_cast<Stream *>(stream) : legacy; }

Status drain(Stream &stream) {
  while (!stream.work.empty() && broken == success) {
    auto next = std::move(stream.work.front());
    stream.work.pop_front();
    Status status = next();
    if (status != success) broken = status;
  }
  return broken;
}

// Work of this thread's caller enters a stream, or the graph that the stream is recording.
int enter(void *handle, std::function<Status()> work) {
  if (broken != success) return broken;
  Stream &stream = of(handle);
  if (stream.capture) stream.capture->nodes.push_back(std::move(work));
  else stream.work.push_back(std::move(work));
  return success;
}

template <typename Body> int locked(Body body) {
  std::lock_guard<std::recursive_mutex> lock(gate);
  if (!initialised) return not_initialised;
  return body();
}

// As above, for what needs a context.
template <typename Body> int current(Body body) {
  return locked([&]() -> int {
    if (!context) return invalid_context;
    if (broken != success) return broken;
    return body();
  });
}

Status copy(void *to, const void *from, size_t bytes, bool to_device, bool from_device) {
  if (bytes == 0) return success;
  if (to_device && !is_device(to, bytes)) return illegal_address;
  if (from_device && !is_device(from, bytes)) return illegal_address;
  DeviceAccess access;
  std::memmove(to, from, bytes);
  return success;
}

struct Attribute {
  int number, value;
};

// Of a device of compute capability 9.0.
constexpr Attribute attributes[] = {
    {1, 1024},               // threads a block
    {2, 1024},               // block size x, y, z
    {3, 1024},
    {4, 64},
    {5, 0x7FFFFFFF},         // grid size x, y, z
    {6, 65535},
    {7, 65535},
    {8, 48 * 1024},          // shared memory a block
    {10, 32},                // lanes of a warp
    {12, 65536},             // registers a block
    {13, 1000000},           // clock, kHz
    {16, 2},                 // multiprocessors
    {36, 1000000},           // memory clock, kHz
    {37, 64},                // memory bus, bits
    {38, 1 << 20},           // L2, bytes
    {39, 2048},              // threads a multiprocessor
    {41, 1},                 // unified addresses
    {75, 9},                 // compute capability
    {76, 0},
    {81, 228 * 1024},        // shared memory a multiprocessor
    {97, int(maximum_shared_bytes)}, // shared memory a block that asks for it
    {115, 1},                // stream-ordered memory pools
};

Status launch(const Function &function, Index3 grid, Index3 block, u32 shared_bytes,
              const std::vector<u8> &argument) {
  std::string message;
  Outcome outcome =
      run({function.kernel, argument.data(), grid, block, shared_bytes}, message);
  if (outcome == Outcome::done) return success;
  last_failure = function.name + ": " + message;
  return outcome == Outcome::illegal_address ? illegal_address : launch_failed;
}

struct Named {
  int status;
  const char *name, *text;
};

constexpr Named names[] = {
    {success, "CUDA_SUCCESS", "no error"},
    {invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {not_initialised, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {invalid_device, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {invalid_context, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {illegal_state, "CUDA_ERROR_ILLEGAL_STATE", "the operation cannot be performed now"},
    {not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {not_ready, "CUDA_ERROR_NOT_READY", "device not ready"},
    {illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {launch_out_of_resources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {capture_unsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {capture_invalidated, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
};

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

// Present here and in no driver: what loads this library knows what it has.
EXPORT int transformer_emulation_version() { return 1; }

// What the last failed launch had to say.
EXPORT const char *transformer_emulation_failure() { return last_failure.c_str(); }

// A device whose context is broken stays so until its process ends; tests need it back.
EXPORT void transformer_emulation_reset() {
  std::lock_guard<std::recursive_mutex> lock(gate);
  broken = success;
  legacy.work.clear();
}

EXPORT int cuInit(u32 flags) {
  std::lock_guard<std::recursive_mutex> lock(gate);
  initialised = true;
  return flags == 0 ? success : invalid_value;
}

EXPORT int cuDriverGetVersion(int *version) {
  *version = 13000;
  return success;
}

EXPORT int cuDeviceGetCount(int *count) {
  return locked([&] { return *count = 1, success; });
}

EXPORT int cuDeviceGet(int *device, int ordinal) {
  return locked([&] { return *device = 0, ordinal == 0 ? success : invalid_device; });
}

EXPORT int cuDeviceGetName(char *name, int length, int) {
  return locked([&] {
    std::strncpy(name, "CUDA emulation on the CPU", size_t(length));
    return success;
  });
}

EXPORT int cuDeviceTotalMem_v2(size_t *bytes, int) {
  return locked([&] { return *bytes = device_bytes_total(), success; });
}

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int) {
  return locked([&] {
    for (Attribute known : attributes)
      if (known.number == attribute) return *value = known.value, success;
    return invalid_value;
  });
}

EXPORT int cuDevicePrimaryCtxRetain(void **result, int) {
  return locked([&] { return *result = &context_token, success; });
}
EXPORT int cuDevicePrimaryCtxRelease_v2(int) {
  return locked([] { return success; });
}
EXPORT int cuCtxSetCurrent(void *value) {
  return locked([&] { return context = value, success; });
}
EXPORT int cuCtxGetCurrent(void **value) {
  return locked([&] { return *value = context, success; });
}
EXPORT int cuCtxSynchronize() {
  return current([] { return drain(legacy); });
}

EXPORT int cuStreamCreate(void **stream, u32) {
  return current([&] { return *stream = new Stream, success; });
}
EXPORT int cuStreamDestroy_v2(void *stream) {
  return locked([&] {
    drain(of(stream));
    delete static_cast<Stream *>(stream);
    return success;
  });
}
EXPORT int cuStreamSynchronize(void *stream) {
  return current([&] {
    if (of(stream).capture) return capture_unsupported;
    return drain(of(stream));
  });
}

EXPORT int cuEventCreate(void **event, u32) {
  return current([&] { return *event = new Event, success; });
}
EXPORT int cuEventDestroy_v2(void *event) {
  return locked([&] { return delete static_cast<Event *>(event), success; });
}
EXPORT int cuEventRecord(void *handle, void *stream) {
  return current([&] {
    Event *event = static_cast<Event *>(handle);
    event->stream = &of(stream);
    u64 number = ++event->recorded;
    return Status(enter(stream, [event, number] {
      event->reached = number;
      event->time = Clock::now();
      return success;
    }));
  });
}
static Status wait_for(Event *event, u64 number) {
  while (event->reached < number) {
    if (event->stream->work.empty()) return launch_failed; // waits for itself
    auto next = std::move(event->stream->work.front());
    event->stream->work.pop_front();
    Status status = next();
    if (status != success) return broken = status;
  }
  return success;
}
EXPORT int cuEventSynchronize(void *handle) {
  return current([&] {
    Event *event = static_cast<Event *>(handle);
    return wait_for(event, event->recorded);
  });
}
EXPORT int cuEventElapsedTime(float *milliseconds, void *first, void *last) {
  return current([&] {
    Event *a = static_cast<Event *>(first), *b = static_cast<Event *>(last);
    if (a->reached == 0 || b->reached == 0) return not_ready;
    *milliseconds = std::chrono::duration<float, std::milli>(b->time - a->time).count();
    return success;
  });
}
EXPORT int cuStreamWaitEvent(void *stream, void *handle, u32) {
  return current([&] {
    Event *event = static_cast<Event *>(handle);
    u64 number = event->recorded;
    return Status(enter(stream, [event, number] { return wait_for(event, number); }));
  });
}

EXPORT int cuMemGetInfo_v2(size_t *free, size_t *total) {
  return current([&] {
    *free = device_bytes_free();
    *total = device_bytes_total();
    return success;
  });
}
EXPORT int cuMemAlloc_v2(void **address, size_t bytes) {
  return current([&] {
    if (bytes == 0) return invalid_value;
    *address = allocate_device(bytes);
    return *address ? success : out_of_memory;
  });
}
EXPORT int cuMemAllocAsync(void **address, size_t bytes, void *) {
  return cuMemAlloc_v2(address, bytes);
}
EXPORT int cuMemFree_v2(void *address) {
  return locked([&] { return release_device(address) ? success : invalid_value; });
}
EXPORT int cuMemFreeAsync(void *address, void *stream) {
  return locked([&] {
    if (broken != success) return release_device(address) ? success : invalid_value;
    return Status(enter(
        stream, [address] { return release_device(address) ? success : invalid_value; }));
  });
}
EXPORT int cuDeviceGetDefaultMemPool(void **pool, int) {
  return locked([&] { return *pool = &context_token, success; });
}
EXPORT int cuMemPoolSetAttribute(void *, int, void *) {
  return locked([] { return success; });
}
EXPORT int cuMemHostAlloc(void **address, size_t bytes, u32) {
  return current([&] {
    *address = std::malloc(bytes);
    return *address ? success : out_of_memory;
  });
}
EXPORT int cuMemFreeHost(void *address) {
  std::free(address);
  return success;
}

EXPORT int cuMemcpyHtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
  return current([&] {
    return Status(enter(stream, [=] { return copy(to, from, bytes, true, false); }));
  });
}
EXPORT int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
  return current([&] {
    return Status(enter(stream, [=] { return copy(to, from, bytes, false, true); }));
  });
}
EXPORT int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
  return current([&] {
    return Status(enter(stream, [=] { return copy(to, from, bytes, true, true); }));
  });
}
EXPORT int cuMemsetD8Async(void *to, u8 value, size_t bytes, void *stream) {
  return current([&] {
    return Status(enter(stream, [=] {
      if (bytes == 0) return success;
      if (!is_device(to, bytes)) return illegal_address;
      DeviceAccess access;
      std::memset(to, value, bytes);
      return success;
    }));
  });
}

EXPORT int cuModuleLoadDataEx(void **module, const char *image, u32, int *, void **) {
  return current([&] {
    if (!image || !*image) return invalid_image;
    Dl_info self;
    dladdr(reinterpret_cast<void *>(&cuInit), &self);
    *module = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    return *module ? success : invalid_image;
  });
}
EXPORT int cuModuleUnload(void *module) {
  return locked([&] { return dlclose(module) == 0 ? success : invalid_value; });
}
EXPORT int cuModuleGetFunction(void **function, void *module, const char *name) {
  return current([&] {
    void *address = dlsym(module, name);
    if (!address) return not_found;
    *function = new Function{reinterpret_cast<Kernel>(address), name};
    return success;
  });
}
EXPORT int cuFuncSetAttribute(void *, int, int value) {
  return current([&] {
    return value <= int(maximum_shared_bytes) ? success : invalid_value;
  });
}
EXPORT int cuFuncGetAttribute(int *value, int, void *) {
  return current([&] { return *value = 0, success; });
}
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *, int threads, size_t) {
  return current([&] {
    *blocks = threads > 0 ? std::max(1, 2048 / threads) : 0;
    return threads > 0 ? success : invalid_value;
  });
}

EXPORT int cuLaunchKernel(void *handle, u32 grid_x, u32 grid_y, u32 grid_z, u32 block_x,
                          u32 block_y, u32 block_z, u32 shared_bytes, void *stream, void **values,
                          void **extra) {
  return current([&]() -> int {
    u64 threads = u64(block_x) * block_y * block_z;
    if (!handle || threads == 0 || !grid_x || !grid_y || !grid_z) return invalid_value;
    if (values || !extra) return invalid_value; // arguments come as one buffer
    if (grid_y > 65535 || grid_z > 65535 || threads > 1024) return invalid_value;
    if (shared_bytes > maximum_shared_bytes) return launch_out_of_resources;
    const u8 *bytes = nullptr;
    size_t size = 0;
    for (u32 i = 0; extra[i]; i += 2) {
      u64 what = reinterpret_cast<u64>(extra[i]);
      if (what == 1) bytes = static_cast<const u8 *>(extra[i + 1]);
      else if (what == 2) size = *static_cast<const size_t *>(extra[i + 1]);
    }
    if (!bytes || !size) return invalid_value;
    Function function = *static_cast<Function *>(handle);
    std::vector<u8> argument(bytes, bytes + size);
    return enter(stream, [=] {
      return launch(function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes,
                    argument);
    });
  });
}

EXPORT int cuStreamBeginCapture_v2(void *stream, int) {
  return current([&] {
    if (!stream || of(stream).capture) return illegal_state;
    drain(of(stream));
    of(stream).capture = std::make_unique<Graph>();
    return broken;
  });
}
EXPORT int cuStreamEndCapture(void *stream, void **graph) {
  return current([&] {
    if (!of(stream).capture) return illegal_state;
    *graph = of(stream).capture.release();
    return success;
  });
}
EXPORT int cuGraphInstantiateWithFlags(void **executable, void *graph, u64) {
  return current([&] {
    return *executable = new Graph(*static_cast<Graph *>(graph)), success;
  });
}
EXPORT int cuGraphLaunch(void *executable, void *stream) {
  return current([&] {
    Graph *graph = static_cast<Graph *>(executable);
    return Status(enter(stream, [graph] {
      for (auto &node : graph->nodes)
        if (Status status = node()) return status;
      return success;
    }));
  });
}
EXPORT int cuGraphExecDestroy(void *executable) {
  return locked([&] { return delete static_cast<Graph *>(executable), success; });
}
EXPORT int cuGraphDestroy(void *graph) {
  return locked([&] { return delete static_cast<Graph *>(graph), success; });
}

static int describe(int status, const char **text, const char *Named::*member) {
  for (const Named &named : names)
    if (named.status == status) return *text = named.*member, success;
  return *text = nullptr, invalid_value;
}
EXPORT int cuGetErrorName(int status, const char **text) {
  return describe(status, text, &Named::name);
}
EXPORT int cuGetErrorString(int status, const char **text) {
  return describe(status, text, &Named::text);
}
