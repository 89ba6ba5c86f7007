#include "memory.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <mutex>
#include <new>
#include <sys/mman.h>
#include <unistd.h>

namespace emulation {

namespace {

struct Allocation {
  u8 *mapping;
  size_t mapped, bytes, asked;
  int device;
};

constexpr int most_devices = 16;
constexpr u8 pattern = 0xFF;
constexpr size_t head_bytes = 64; // watched before an allocation
constexpr size_t reach = size_t(2) << 30; // bytes around an allocation where no memory is

std::mutex gate;
std::map<u8 *, Allocation> allocations;
size_t in_use[most_devices];
int accesses[most_devices];

size_t page() {
  static const size_t size = size_t(sysconf(_SC_PAGESIZE));
  return size;
}

size_t pages(size_t bytes) { return (bytes + page() - 1) / page() * page(); }

u8 *usable(const Allocation &allocation) { return allocation.mapping + reach; }

size_t usable_bytes(const Allocation &allocation) { return allocation.mapped - 2 * reach; }

void protect(const Allocation &allocation, int protection) {
  mprotect(usable(allocation), usable_bytes(allocation), protection);
}

size_t watched_before(const u8 *begin, const Allocation &allocation) {
  return std::min(head_bytes, size_t(begin - usable(allocation)));
}

} // namespace

size_t device_bytes_total() {
  // So that tests can have a device with little memory.
  static const size_t total = [] {
    const char *text = std::getenv("TRANSFORMER_EMULATION_MEMORY");
    size_t asked = text ? size_t(std::strtoull(text, nullptr, 10)) : 0;
    return asked ? asked : size_t(8) << 30;
  }();
  return total;
}

size_t device_bytes_free(int device) {
  std::lock_guard<std::mutex> lock(gate);
  return device_bytes_total() - in_use[device];
}

void *allocate_device(size_t bytes, int device) {
  std::lock_guard<std::mutex> lock(gate);
  size_t used = (bytes + 15) / 16 * 16;
  if (used < bytes || used > device_bytes_total() - in_use[device]) return nullptr;
  size_t mapped = pages(used) + 2 * reach;
  void *mapping = mmap(nullptr, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                       -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  Allocation allocation{static_cast<u8 *>(mapping), mapped, used, bytes, device};
  protect(allocation, PROT_READ | PROT_WRITE);
  u8 *begin = allocation.mapping + mapped - reach - used;
  size_t head = watched_before(begin, allocation);
  std::memset(begin - head, pattern, head + used);
  if (accesses[device] == 0) protect(allocation, PROT_NONE);
  allocations.emplace(begin, allocation);
  in_use[device] += used;
  return begin;
}

bool release_device(void *address) {
  std::lock_guard<std::mutex> lock(gate);
  auto found = allocations.find(static_cast<u8 *>(address));
  if (found == allocations.end()) return false;
  munmap(found->second.mapping, found->second.mapped);
  in_use[found->second.device] -= found->second.bytes;
  allocations.erase(found);
  return true;
}

bool is_device(const void *address, size_t bytes, int device) {
  std::lock_guard<std::mutex> lock(gate);
  u8 *first = const_cast<u8 *>(static_cast<const u8 *>(address));
  auto after = allocations.upper_bound(first);
  if (after == allocations.begin()) return false;
  auto found = std::prev(after);
  size_t offset = size_t(first - found->first);
  return found->second.device == device && offset <= found->second.asked &&
         bytes <= found->second.asked - offset;
}

void poison_device(void *address) {
  std::lock_guard<std::mutex> lock(gate);
  auto found = allocations.find(static_cast<u8 *>(address));
  if (found == allocations.end()) return;
  if (accesses[found->second.device] == 0) protect(found->second, PROT_READ | PROT_WRITE);
  std::memset(found->first, pattern, found->second.bytes);
  if (accesses[found->second.device] == 0) protect(found->second, PROT_NONE);
}

std::string overrun_device(int device) {
  std::lock_guard<std::mutex> lock(gate);
  std::string message;
  for (auto &entry : allocations) {
    const Allocation &allocation = entry.second;
    if (allocation.device != device) continue;
    size_t head = watched_before(entry.first, allocation);
    auto check = [&](u8 *first, size_t bytes, const char *side) {
      if (std::count(first, first + bytes, pattern) == std::ptrdiff_t(bytes)) return;
      std::memset(first, pattern, bytes);
      message = "the bytes " + std::string(side) + " an allocation of " +
                std::to_string(allocation.asked) + " bytes of device memory were written";
    };
    check(entry.first - head, head, "before");
    check(entry.first + allocation.asked, allocation.bytes - allocation.asked, "after");
  }
  return message;
}

std::string describe_device(const void *address) {
  std::unique_lock<std::mutex> lock(gate, std::try_to_lock);
  if (!lock) return "";
  for (auto &entry : allocations) {
    const u8 *at = static_cast<const u8 *>(address), *begin = usable(entry.second) - page();
    if (at < begin || at >= begin + usable_bytes(entry.second) + 2 * page()) continue;
    return "byte " + std::to_string(at - entry.first) + " of an allocation of " +
           std::to_string(entry.second.asked) + " bytes of device memory";
  }
  return "";
}

DeviceAccess::DeviceAccess(int device) : device(device) {
  std::lock_guard<std::mutex> lock(gate);
  if (accesses[device]++ > 0) return;
  for (auto &entry : allocations)
    if (entry.second.device == device) protect(entry.second, PROT_READ | PROT_WRITE);
}

DeviceAccess::~DeviceAccess() {
  std::lock_guard<std::mutex> lock(gate);
  if (--accesses[device] > 0) return;
  for (auto &entry : allocations)
    if (entry.second.device == device) protect(entry.second, PROT_NONE);
}

GuardedBytes::GuardedBytes(u32 bytes) : bytes(bytes) {
  u32 used = (bytes + 127) / 128 * 128;
  mapped = pages(used) + page();
  void *address =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) throw std::bad_alloc();
  mapping = static_cast<u8 *>(address);
  mprotect(mapping + mapped - page(), page(), PROT_NONE);
  begin = mapping + mapped - page() - used;
}

GuardedBytes::~GuardedBytes() { munmap(mapping, mapped); }

void GuardedBytes::poison() { std::memset(begin, pattern, (bytes + 127) / 128 * 128); }

bool GuardedBytes::overrun() const {
  const u8 *first = begin + bytes, *last = begin + (bytes + 127) / 128 * 128;
  return std::count(first, last, pattern) != last - first;
}

bool GuardedBytes::is_beyond(const void *address) const {
  const u8 *at = static_cast<const u8 *>(address);
  return at >= mapping + mapped - page() && at < mapping + mapped;
}

AlternateStack::AlternateStack() {
  stack_t old = {};
  if (sigaltstack(nullptr, &old) == 0 && !(old.ss_flags & SS_DISABLE)) return;
  constexpr size_t size = 64 * 1024;
  bytes = new u8[size];
  stack_t own = {};
  own.ss_sp = bytes;
  own.ss_size = size;
  sigaltstack(&own, nullptr);
}

AlternateStack::~AlternateStack() {
  if (!bytes) return;
  stack_t none = {};
  none.ss_flags = SS_DISABLE;
  sigaltstack(&none, nullptr);
  delete[] bytes;
}

} // namespace emulation
