// The driver's interface over the emulation: tensor maps of the copy engine.
#include "asynchronous.h"
#include "driver.h"

#include <cstring>

// What the CUDA driver API's reference asks of the arguments, for 16-bit elements.
EXPORT int cuTensorMapEncodeTiled(
    void *map, int type, u32 rank, void *address, const u64 *sizes,
    const u64 *strides, const u32 *box, const u32 *element_strides, int interleave, int swizzle,
    int, int fill) {
  using namespace emulation;
  return locked([&] {
    if (reinterpret_cast<u64>(map) % 64 || reinterpret_cast<u64>(address) % 16)
      return invalid_value;
    if ((type != 6 && type != 9) || rank == 0 || rank > 5 || interleave || fill)
      return invalid_value;
    if (swizzle != 0 && swizzle != 3) return invalid_value;
    EmulatedMap made = {};
    made.address = reinterpret_cast<u64>(address);
    made.mark = EmulatedMap::marked;
    made.rank = u8(rank);
    made.element_bytes = 2;
    made.swizzle = u8(swizzle);
    for (u32 i = 0; i < rank; i++) {
      if (sizes[i] == 0 || sizes[i] > u64(1) << 32 || element_strides[i] != 1)
        return invalid_value;
      if (box[i] == 0 || box[i] > 256) return invalid_value;
      made.sizes[i] = u32(sizes[i]);
      made.box[i] = u16(box[i]);
      if (i == 0) continue;
      u64 stride = made.strides[i - 1] = strides[i - 1];
      if (stride % 16 || stride >= u64(1) << 40) return invalid_value;
    }
    if (2 * box[0] % 16 || (swizzle && 2 * box[0] > 128)) return invalid_value;
    std::memcpy(map, &made, sizeof(made));
    return success;
  });
}
