// Runs the blocks of one launch (device.h tells how).
#pragma once

#include "../include/platform.cuh"

#include <string>

namespace emulation {

using Kernel = void (*)(const void *argument);

struct Launch {
  Kernel kernel;
  const void *argument;
  Index3 grid, block;
  u32 shared_bytes;
  int device;
};

enum class Outcome { done, illegal_address, failed };

// Runs all blocks and waits; `message` tells what went wrong.
Outcome run(const Launch &launch, std::string &message);

// Makes a bad address inside a kernel end the launch, and the host's access to device memory end
// the process with a line that says so.
void install_fault_handler();

} // namespace emulation
