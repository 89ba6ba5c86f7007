// What a block of the emulation has under way behind its threads' backs, and what they wait with
// for it: cp.async, the copy engine (cp.async.bulk), mbarriers, named barriers, and wgmma.
//
// Nothing happens sooner than it must, or it happens at once, by chance: a copy's place holds NaN
// from when it was asked for until it lands, in any order and at any turn; a product's sums hold
// NaN until somebody waits for them, and it reads its operands when it is asked for or when it is
// waited for. So a wait that is missing shows from either side.
#pragma once

#include "../include/platform.cuh"

#include <deque>
#include <memory>
#include <random>
#include <vector>

namespace emulation {

// cp.async of one thread.
class Copies {
public:
  void add(u8 *to, const u8 *from, u32 bytes, u32 size);
  void commit();
  void wait(u32 pending);
  void clear();

private:
  struct Copy {
    u8 *to;
    const u8 *from;
    u32 bytes, size;
  };
  std::deque<Copy> list;
  std::deque<u32> groups; // copies of each committed group, oldest first
  u32 open = 0;           // copies since the last commit
};

// What a thread waits for.
struct Condition {
  enum Kind : u32 { phase, named, products } kind;
  u32 where, value;
};

// Encoded by cuTensorMapEncodeTiled, in the 128 bytes of a CUtensorMap.
struct EmulatedMap {
  u64 address;
  u64 strides[4]; // bytes, of dimensions 1 and on
  u32 mark, sizes[5];
  u16 box[5];
  u8 rank, element_bytes, swizzle;
  static constexpr u32 marked = 0x54454E53;
};

class Asynchronous {
public:
  Asynchronous(u8 *shared, u32 bytes) : shared(shared), bytes(bytes) {}
  void restart(u32 threads, u32 seed);

  // True when what the thread waits for has come.
  bool has_come(const Condition &condition) const;

  // Lets one copy land, by chance or because there is nothing else to do.
  bool land(bool surely);

  void initialise(u32 barrier, u32 count);
  void arrive(u32 barrier, u32 transaction_bytes);
  void named_arrive(u32 id, u32 threads);
  u32 named_round(u32 id) const { return named[id].round; }
  void load_tensor(u32 to, const EmulatedMap &map, u32 barrier, const i32 *place, u32 rank);
  void load_bulk(u32 to, const u8 *from, u32 size, u32 barrier);

  // The part of a warpgroup's thread in the next product; once all 128 are there it is under way.
  void multiply(u32 thread, const WarpgroupProduct &product);
  u32 products_of(u32 warpgroup) const { return groups[warpgroup].rounds; }
  void fence(u32 thread) { lanes[thread].fenced = true; }
  void commit(u32 thread) { lanes[thread].committed++; }
  void wait(u32 thread, u32 pending);

  u8 *at(u32 address, u32 size) const;

private:
  struct Load {
    EmulatedMap map;
    const u8 *from; // of a copy without a map
    u32 to, size, barrier;
    i32 place[5];
  };
  struct Named {
    u32 arrived, round;
  };
  // Sums that products under way add to.
  struct Sums {
    float *places[128];
    std::vector<float> values;
    u32 count, last, left; // group of the last product; lanes that have them not yet
    bool taken[128];
  };
  struct Product {
    WarpgroupProduct shape;
    const u32 *a[128];
    u32 group;
    std::shared_ptr<Sums> sums;
    bool done;
  };
  struct Warpgroup {
    u32 arrived = 0, rounds = 0;
    WarpgroupProduct parts[128];
    std::deque<Product> products;
    std::deque<std::shared_ptr<Sums>> sums;
  };
  struct LaneState {
    bool fenced;
    u32 committed;
  };

  void transfer(const Load &load);
  void copy_box(const Load &load);
  void finish_transfer(u32 barrier, u32 size);
  void start_product(Warpgroup &group, u32 first_thread);
  void run(Product &product);
  void enter(const Load &load);

  u8 *const shared;
  const u32 bytes;
  std::minstd_rand random;
  std::vector<Load> loads;
  Named named[16];
  std::vector<Warpgroup> groups;
  std::vector<LaneState> lanes;
};

// Of the block whose fiber runs (block.cpp).
Asynchronous &asynchronous();
void await(const Condition &condition);

} // namespace emulation
