// Hopper's operations as kernels call them (device.h).
#include "asynchronous.h"

namespace emulation {

u32 shared_address(const void *address) {
  return shared_window +
         u32(static_cast<const u8 *>(address) - static_cast<u8 *>(shared_memory()));
}

void initialise_barrier(u32 barrier, u32 arrivals) {
  asynchronous().initialise(barrier, arrivals);
}

void arrive_at_barrier(u32 barrier, u32 bytes) { asynchronous().arrive(barrier, bytes); }

void wait_for_barrier(u32 barrier, u32 parity) {
  asynchronous().at(barrier, 8);
  await({Condition::phase, barrier, parity});
}

void synchronise_named(u32 id, u32 threads, bool waits) {
  u32 round = asynchronous().named_round(id & 15);
  asynchronous().named_arrive(id, threads);
  if (waits) await({Condition::named, id, round});
}

void load_tensor(u32 to, u64 map, u32 barrier, const i32 *place, u32 rank) {
  EmulatedMap decoded;
  std::memcpy(&decoded, reinterpret_cast<const void *>(map), sizeof(decoded));
  asynchronous().load_tensor(to, decoded, barrier, place, rank);
}

void load_bulk(u32 to, const void *from, u32 bytes, u32 barrier) {
  asynchronous().load_bulk(to, static_cast<const u8 *>(from), bytes, barrier);
}

void multiply_warpgroup(const WarpgroupProduct &product) {
  u32 thread = thread_rank(), round = asynchronous().products_of(thread / 128);
  asynchronous().multiply(thread, product);
  await({Condition::products, thread / 128, round});
}

void fence_products() { asynchronous().fence(thread_rank()); }
void commit_products() { asynchronous().commit(thread_rank()); }
void wait_for_products(u32 pending) { asynchronous().wait(thread_rank(), pending); }

} // namespace emulation
