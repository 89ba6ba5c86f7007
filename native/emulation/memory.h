// Memory that tells when it is touched by somebody who should not.
#pragma once

#include "../include/platform.cuh"

#include <csignal>
#include <cstddef>
#include <string>

namespace emulation {

// Device memory lies between 2 GiB of addresses that nobody may touch, so that an index far out of
// bounds cannot meet somebody else's memory, and is itself out of reach except while a DeviceAccess
// exists: the host that follows a device pointer faults, as on a machine with a GPU.
// Addresses are multiples of 16 only, so that the last byte is at most 15 before the forbidden page
// (a driver gives multiples of 256); the bytes around, as far as they can be touched, hold a
// pattern that tells when they were written. Null when there is not enough.
void *allocate_device(size_t bytes, int device);
bool release_device(void *address); // false when it is no allocation
bool is_device(const void *address, size_t bytes, int device);
size_t device_bytes_total();
size_t device_bytes_free(int device);

// NaN as any type, as in memory that was never written.
void poison_device(void *address);

// Empty, or which allocation was written beyond its ends since the last call. Needs a DeviceAccess.
std::string overrun_device(int device);

// Empty, or which allocation an address that faulted belongs to; for signal handlers.
std::string describe_device(const void *address);

// One device's memory is within reach.
class DeviceAccess {
public:
  explicit DeviceAccess(int device);
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess &) = delete;

private:
  const int device;
};

// A block's shared memory: ends where a forbidden page begins, and tells when the bytes between
// were written.
class GuardedBytes {
public:
  explicit GuardedBytes(u32 bytes);
  ~GuardedBytes();
  GuardedBytes(const GuardedBytes &) = delete;

  void *data() const { return begin; }
  void poison();
  bool overrun() const;
  bool is_beyond(const void *address) const; // on the forbidden page

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
