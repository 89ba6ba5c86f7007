#include "asynchronous.h"

#include <algorithm>

namespace emulation {

void Copies::add(u8 *to, const u8 *from, u32 bytes, u32 size) {
  std::memset(to, 0xFF, size);
  list.push_back({to, from, bytes, size});
  open++;
}

void Copies::commit() {
  groups.push_back(open);
  open = 0;
}

void Copies::wait(u32 pending) {
  for (; groups.size() > pending; groups.pop_front())
    for (u32 i = 0; i < groups.front(); i++, list.pop_front()) {
      const Copy &next = list.front();
      std::memcpy(next.to, next.from, next.bytes);
      std::memset(next.to + next.bytes, 0, next.size - next.bytes);
    }
}

void Copies::clear() {
  list.clear();
  groups.clear();
  open = 0;
}

namespace {

// An mbarrier's 8 bytes as they lie in shared memory; what was never initialised is all ones.
struct Barrier {
  u16 count, pending;
  i32 phase_and_bytes; // twice the bytes that are still to come, and the phase's parity

  u32 parity() const { return u32(phase_and_bytes) & 1; }
  void complete() {
    if (pending != 0 || phase_and_bytes >> 1 != 0) return;
    pending = count;
    phase_and_bytes ^= 1;
  }
};

constexpr u32 bytes_of_rows[] = {0, 128, 64, 32}; // by the swizzle of a matrix descriptor

// 128-byte swizzle: bits 4 to 6 of the address are exchanged with bits 7 to 9; 64: fewer.
u32 swizzled(u32 address, u32 row_bytes) {
  return address ^ ((address >> 7 & (row_bytes / 16 - 1)) << 4);
}

// Where element (row, k) of an operand lies, row being a row of a or a column of b.
u32 element_address(u64 descriptor, bool across, u32 row, u32 k) {
  u32 start = u32(descriptor & 0x3FFF) << 4, leading = u32(descriptor >> 16 & 0x3FFF) << 4;
  u32 stride = u32(descriptor >> 32 & 0x3FFF) << 4, width = bytes_of_rows[descriptor >> 62];
  u32 address = across ? start + row / (width / 2) * leading + row % (width / 2) * 2 +
                             k % 8 * width + k / 8 * stride
                       : start + row / 8 * stride + row % 8 * width + k * 2;
  return swizzled(address, width);
}

float number(u16 bits, bool is_bf16) {
  if (!is_bf16) {
    u32 sign = u32(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
    u32 wide = exponent == 31 ? sign | 0x7F800000 | fraction << 13
                              : sign | (exponent + 112) << 23 | fraction << 13;
    if (exponent == 0) return (sign ? -1 : 1) * float(fraction) * 0x1p-24f;
    float result;
    std::memcpy(&result, &wide, 4);
    return result;
  }
  u32 wide = u32(bits) << 16;
  float result;
  std::memcpy(&result, &wide, 4);
  return result;
}

} // namespace

void Asynchronous::restart(u32 threads, u32 seed) {
  random.seed(seed);
  loads.clear();
  for (Named &one : named) one = {};
  groups.clear();
  groups.resize(threads / 128);
  lanes.assign(threads, {false, 0});
}

u8 *Asynchronous::at(u32 address, u32 size) const {
  u32 offset = address - shared_window;
  if (address < shared_window || offset > bytes || size > bytes - offset)
    fail("an asynchronous operation leaves the block's shared memory");
  return shared + offset;
}

bool Asynchronous::has_come(const Condition &condition) const {
  if (condition.kind == Condition::named) return named[condition.where].round != condition.value;
  if (condition.kind == Condition::products)
    return groups[condition.where].rounds != condition.value;
  const Barrier &barrier =
      *reinterpret_cast<const Barrier *>(shared + condition.where - shared_window);
  return barrier.parity() != condition.value;
}

void Asynchronous::initialise(u32 address, u32 count) {
  if (address % 8) fail("an mbarrier is not aligned to 8 bytes");
  *reinterpret_cast<Barrier *>(at(address, 8)) = {u16(count), u16(count), 0};
}

void Asynchronous::arrive(u32 address, u32 transaction_bytes) {
  Barrier &barrier = *reinterpret_cast<Barrier *>(at(address, 8));
  if (barrier.count == 0xFFFF) fail("an mbarrier is used that was not initialised");
  if (barrier.pending == 0) fail("more threads arrive at an mbarrier than it counts");
  barrier.phase_and_bytes += i32(2 * transaction_bytes);
  barrier.pending--;
  barrier.complete();
}

void Asynchronous::named_arrive(u32 id, u32 threads) {
  if (id > 15 || threads % 32) fail("a named barrier has a number below 16 and whole warps");
  if (++named[id].arrived < threads) return;
  named[id].arrived = 0;
  named[id].round++;
}

void Asynchronous::enter(const Load &load) {
  const Barrier &barrier = *reinterpret_cast<Barrier *>(at(load.barrier, 8));
  if (barrier.count == 0xFFFF) fail("a copy is to tell an mbarrier that was not initialised");
  std::memset(at(load.to, load.size), 0xFF, load.size);
  loads.push_back(load);
}

void Asynchronous::load_bulk(u32 to, const u8 *from, u32 size, u32 barrier) {
  if ((to | size | u32(reinterpret_cast<u64>(from))) % 16)
    fail("a bulk copy's addresses and size are multiples of 16");
  Load load = {};
  load.from = from;
  load.to = to;
  load.size = size;
  load.barrier = barrier;
  enter(load);
}

void Asynchronous::load_tensor(
    u32 to, const EmulatedMap &map, u32 barrier, const i32 *place, u32 rank) {
  if (map.mark != EmulatedMap::marked) fail("a tensor map was not encoded by the driver");
  if (map.rank != rank) fail("a tensor map's rank is not that of the copy");
  // The swizzle counts from where its pattern starts anew.
  if (to % (map.swizzle ? 1024 : 128)) fail("a tile of the copy engine is not aligned");
  Load load = {};
  load.map = map;
  load.to = to;
  load.size = map.element_bytes;
  for (u32 i = 0; i < rank; i++) load.size *= map.box[i];
  load.barrier = barrier;
  std::copy(place, place + rank, load.place);
  enter(load);
}

bool Asynchronous::land(bool surely) {
  if (loads.empty() || (!surely && random() % 16)) return false;
  std::swap(loads[random() % loads.size()], loads.back());
  Load load = loads.back();
  loads.pop_back();
  transfer(load);
  return true;
}

void Asynchronous::transfer(const Load &load) {
  if (load.from) std::memcpy(shared + load.to - shared_window, load.from, load.size);
  else copy_box(load);
  Barrier &barrier = *reinterpret_cast<Barrier *>(shared + load.barrier - shared_window);
  barrier.phase_and_bytes -= i32(2 * load.size);
  barrier.complete();
}

void Asynchronous::copy_box(const Load &load) {
  const EmulatedMap &map = load.map;
  u32 row_bytes = map.box[0] * map.element_bytes, rows = load.size / row_bytes;
  for (u32 row = 0; row < rows; row++) {
    i64 offset = 0;
    bool inside = true;
    for (u32 i = 1, rest = row; i < map.rank; rest /= map.box[i], i++) {
      i64 index = load.place[i] + i64(rest % map.box[i]);
      inside &= index >= 0 && index < i64(map.sizes[i]);
      offset += index * i64(map.strides[i - 1]);
    }
    const u8 *from = reinterpret_cast<const u8 *>(map.address) + offset;
    for (u32 e = 0; e < map.box[0]; e++) {
      i64 index = load.place[0] + i64(e);
      u32 to = load.to + row * row_bytes + e * map.element_bytes;
      u8 *place = shared + (map.swizzle ? swizzled(to, 128) : to) - shared_window;
      if (inside && index >= 0 && index < i64(map.sizes[0]))
        std::memcpy(place, from + index * map.element_bytes, map.element_bytes);
      else std::memset(place, 0, map.element_bytes);
    }
  }
}

void Asynchronous::multiply(u32 thread, const WarpgroupProduct &product) {
  Warpgroup &group = groups[thread / 128];
  if (!lanes[thread].fenced) fail("no wgmma.fence between an access to registers and wgmma");
  group.parts[thread % 128] = product;
  if (++group.arrived < 128) return;
  group.arrived = 0;
  group.rounds++;
  start_product(group, thread / 128 * 128);
}

void Asynchronous::start_product(Warpgroup &group, u32 first_thread) {
  Product product = {};
  product.shape = group.parts[0];
  product.group = lanes[first_thread].committed;
  u32 count = product.shape.columns / 2;
  for (u32 i = 0; i < 128; i++) {
    const WarpgroupProduct &part = group.parts[i];
    if (part.descriptor_a != product.shape.descriptor_a ||
        part.descriptor_b != product.shape.descriptor_b)
      fail("the threads of a warpgroup name different tiles");
    product.a[i] = part.a;
  }
  for (auto &known : group.sums)
    if (known->places[0] == product.shape.sums) product.sums = known;
  if (!product.sums) {
    product.sums = std::make_shared<Sums>();
    product.sums->count = count;
    product.sums->left = 128;
    product.sums->values.resize(128 * count);
    for (u32 i = 0; i < 128; i++) {
      float *place = product.sums->places[i] = group.parts[i].sums;
      std::copy(place, place + count, &product.sums->values[i * count]);
      std::memset(place, 0xFF, count * sizeof(float));
    }
    group.sums.push_back(product.sums);
  }
  product.sums->last = product.group;
  group.products.push_back(product);
  if (random() % 2) return;
  for (Product &one : group.products) run(one);
}

void Asynchronous::run(Product &product) {
  if (product.done) return;
  product.done = true;
  const WarpgroupProduct &shape = product.shape;
  static thread_local float a[64][16], b[16][256], sums[256];
  auto read = [&](u64 descriptor, bool across, u32 row, u32 k) {
    u16 bits;
    std::memcpy(&bits, at(element_address(descriptor, across, row, k), 2), 2);
    return number(bits, shape.is_bf16);
  };
  for (u32 k = 0; k < 16; k++)
    for (u32 n = 0; n < shape.columns; n++)
      b[k][n] = read(shape.descriptor_b, shape.b_across, n, k);
  for (u32 row = 0; row < 64; row++)
    for (u32 k = 0; k < 16; k++) {
      if (!shape.a) {
        a[row][k] = read(shape.descriptor_a, shape.a_across, row, k);
        continue;
      }
      u32 thread = row / 16 * 32 + row % 8 * 4 + k % 8 / 2;
      u32 pair = product.a[thread][row % 16 / 8 + k / 8 * 2];
      a[row][k] = number(u16(k % 2 ? pair >> 16 : pair), shape.is_bf16);
    }
  u32 count = product.sums->count;
  for (u32 row = 0; row < 64; row++) {
    float *first = &product.sums->values[(row / 16 * 32 + row % 8 * 4) * count];
    auto place = [&](u32 n) -> float & {
      return first[n % 8 / 2 * count + n / 8 * 4 + row % 16 / 8 * 2 + n % 2];
    };
    for (u32 n = 0; n < shape.columns; n++) sums[n] = shape.adds ? place(n) : 0;
    for (u32 k = 0; k < 16; k++)
      for (u32 n = 0; n < shape.columns; n++)
        sums[n] = __builtin_fmaf(a[row][k], b[k][n], sums[n]);
    for (u32 n = 0; n < shape.columns; n++) place(n) = sums[n];
  }
}

void Asynchronous::wait(u32 thread, u32 pending) {
  Warpgroup &group = groups[thread / 128];
  LaneState &lane = lanes[thread];
  lane.fenced = false;
  // Committed groups that are not among the last `pending` are done.
  auto is_done = [&](u32 number) { return number + pending < lane.committed; };
  for (Product &one : group.products)
    if (is_done(one.group)) run(one);
  while (!group.products.empty() && group.products.front().done) group.products.pop_front();
  for (auto &sums : group.sums) {
    if (!is_done(sums->last) || sums->taken[thread % 128]) continue;
    sums->taken[thread % 128] = true;
    sums->left--;
    std::memcpy(sums->places[thread % 128], &sums->values[thread % 128 * sums->count],
                sums->count * sizeof(float));
  }
  group.sums.erase(std::remove_if(group.sums.begin(), group.sums.end(),
                                  [](auto &sums) { return sums->left == 0; }),
                   group.sums.end());
}

} // namespace emulation
