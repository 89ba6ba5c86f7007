// Memory that tells when it is touched by somebody who should not.
#pragma once

#include "../include/platform.cuh"

#include <csignal>
#include <cstddef>

namespace emulation {

// Device memory lies between pages that nobody may touch, and is itself out of reach except while
// a DeviceAccess exists: the host that follows a device pointer faults, as on a machine with a GPU.
// Addresses are multiples of 256, and the last byte is at most 255 before the forbidden page.
void *allocate_device(size_t bytes);       // null when there is not enough
bool release_device(void *address);        // false when it is no allocation
bool is_device(const void *address, size_t bytes);
size_t device_bytes_total();
size_t device_bytes_free();

class DeviceAccess {
public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess &) = delete;
};

// A block's shared memory: ends where a forbidden page begins.
class GuardedBytes {
public:
  explicit GuardedBytes(u32 bytes);
  ~GuardedBytes();
  GuardedBytes(const GuardedBytes &) = delete;

  void *data() const { return begin; }
  void poison();

private:
  u8 *mapping, *begin;
  size_t mapped;
  u32 bytes;
};

// A stack for signal handlers on threads that have none: a fiber's own is too small.
class AlternateStack {
public:
  AlternateStack();
  ~AlternateStack();

private:
  u8 *bytes = nullptr;
};

} // namespace emulation
