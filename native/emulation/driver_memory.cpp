// The driver's interface over the emulation: memory and copies.
#include "driver.h"

namespace {

using namespace emulation;

Status outside(size_t bytes) {
  last_failure = "a copy of " + std::to_string(bytes) + " bytes leaves device memory";
  return illegal_address;
}

Status copy(int device, void *to, const void *from, size_t bytes, bool to_device,
            bool from_device) {
  if (bytes == 0) return success;
  if (to_device && !is_device(to, bytes, device)) return outside(bytes);
  if (from_device && !is_device(from, bytes, device)) return outside(bytes);
  DeviceAccess access(device);
  std::memmove(to, from, bytes);
  return success;
}

int enter_copy(void *stream, void *to, const void *from, size_t bytes, bool to_device,
               bool from_device) {
  return current([&] {
    int device = context->device;
    return enter(stream, [=] { return copy(device, to, from, bytes, to_device, from_device); });
  });
}

} // namespace

EXPORT int cuMemAlloc_v2(void **address, size_t bytes) {
  return current([&] {
    if (bytes == 0) return invalid_value;
    *address = allocate_device(bytes, context->device);
    return *address ? success : out_of_memory;
  });
}
EXPORT int cuMemAllocAsync(void **address, size_t bytes, void *stream) {
  int status = cuMemAlloc_v2(address, bytes);
  if (status != success) return status;
  return current([&]() -> int {
    Graph *graph = of(stream).capture.get();
    if (!graph) return success;
    void *memory = *address;
    graph->memory.emplace_back(memory, [](void *own) { release_device(own); });
    return enter(stream, [memory] { return poison_device(memory), success; });
  });
}
// Waits for all that could still use the memory.
EXPORT int cuMemFree_v2(void *address) {
  return locked([&] {
    if (context) drain(*context);
    return release_device(address) ? success : invalid_value;
  });
}
EXPORT int cuMemFreeAsync(void *address, void *stream) {
  return locked([&]() -> int {
    if (!context) return invalid_context;
    if (context->broken != success) return release_device(address) ? success : invalid_value;
    Graph *graph = of(stream).capture.get();
    if (graph && graph->owns(address))
      return enter(stream, [address] { return poison_device(address), success; });
    return enter(
        stream, [address] { return release_device(address) ? success : invalid_value; });
  });
}
EXPORT int cuDeviceGetDefaultMemPool(void **pool, int) {
  return locked([&] { return *pool = &initialised, success; });
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
  return enter_copy(stream, to, from, bytes, true, false);
}
EXPORT int cuMemcpyDtoHAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
  return enter_copy(stream, to, from, bytes, false, true);
}
EXPORT int cuMemcpyDtoDAsync_v2(void *to, const void *from, size_t bytes, void *stream) {
  return enter_copy(stream, to, from, bytes, true, true);
}
EXPORT int cuMemsetD8Async(void *to, u8 value, size_t bytes, void *stream) {
  return current([&] {
    int device = context->device;
    return enter(stream, [=] {
      if (bytes == 0) return success;
      if (!is_device(to, bytes, device)) return outside(bytes);
      DeviceAccess access(device);
      std::memset(to, value, bytes);
      return success;
    });
  });
}
