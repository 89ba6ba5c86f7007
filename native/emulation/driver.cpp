// The CUDA driver's interface over the emulation: the functions that Transformer.Cuda calls, under
// the names and with the signatures that libcuda has. This file: devices, contexts, modules,
// launches; driver_memory.cpp, driver_maps.cpp and driver_streams.cpp have the rest.
//
// Work given to a stream waits in it until somebody synchronises: a program that reads a result
// without waiting reads what was there before. A kernel is the exported function of its name in
// this very library; of a module's image only the PTX version is looked at, if it has one.
//
// The environment makes it a poorer machine, each a whole number: TRANSFORMER_EMULATION_DEVICES,
// _MEMORY (bytes a device), _CAPABILITY (75 for 7.5), _LAST_CAPABILITY (the last device's, where it
// differs), _VERSION (12040 for CUDA 12.4), _INIT (the status of cuInit).
#include "driver.h"

#include <cstring>
#include <dlfcn.h>
#include <map>

namespace emulation {

std::recursive_mutex gate;
bool initialised;
thread_local Context *context;
std::string last_failure;

int setting(const char *name, int otherwise) {
  const char *text = std::getenv(name);
  return text && *text ? std::atoi(text) : otherwise;
}

int device_count() {
  static const int count = std::min(16, setting("TRANSFORMER_EMULATION_DEVICES", 1));
  return count;
}

Status drain(Stream &stream) {
  Context &owner = *stream.context;
  if (stream.work.empty() || owner.broken != success) return owner.broken;
  DeviceAccess access(owner.device); // once for all: it costs two calls of the system an allocation
  while (!stream.work.empty() && owner.broken == success) {
    Work next = std::move(stream.work.front());
    stream.work.pop_front();
    Status status = next();
    if (status != success) owner.broken = status;
  }
  return owner.broken;
}

Status drain(Context &context) {
  for (Stream *stream : context.streams) drain(*stream);
  return context.broken;
}

int enter(void *handle, Work work) {
  Stream &stream = of(handle);
  if (stream.context->broken != success) return stream.context->broken;
  if (stream.capture) stream.capture->nodes.push_back(std::move(work));
  else stream.work.push_back(std::move(work));
  return success;
}

} // namespace emulation

namespace {

using namespace emulation;

struct Function {
  Kernel kernel;
  std::string name;
};

std::vector<Context *> &primaries() {
  static std::vector<Context *> all = [] {
    std::vector<Context *> made;
    for (int i = 0; i < device_count(); i++) made.push_back(new Context(i));
    return made;
  }();
  return all;
}

std::vector<Context *> others; // made by cuCtxCreate

// Ten times the major plus the minor number of a device's compute capability.
int capability(int device) {
  static const int first = setting("TRANSFORMER_EMULATION_CAPABILITY", 90);
  static const int last = setting("TRANSFORMER_EMULATION_LAST_CAPABILITY", first);
  return device + 1 == device_count() ? last : first;
}

// KiB that a multiprocessor has for its blocks, one of which can have all but 1 (on 7.5 all).
// CUDA C++ Programming Guide, technical specifications per compute capability.
int shared_kib(int device) {
  switch (capability(device)) {
  case 75: return 64;
  case 80: case 87: return 164;
  case 90: case 100: return 228;
  default: return 100;
  }
}
u32 maximum_shared_bytes(int device) {
  return u32(shared_kib(device) - (capability(device) > 75)) * 1024;
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
    {115, 1},                // stream-ordered memory pools
};

Status launch(const Function &function, int device, Index3 grid, Index3 block, u32 shared_bytes,
              const std::vector<u8> &argument) {
  std::string message;
  Outcome outcome =
      run({function.kernel, argument.data(), grid, block, shared_bytes, device}, message);
  if (outcome == Outcome::done) return success;
  last_failure = function.name + ": " + message;
  return outcome == Outcome::illegal_address ? illegal_address : launch_failed;
}

// ".version 6.3" of PTX as 63; 0 where the image names none.
int ptx_version(const char *image) {
  const char *found = std::strstr(image, ".version ");
  int major = 0, minor = 0;
  if (!found || std::sscanf(found, ".version %d.%d", &major, &minor) != 2) return 0;
  return 10 * major + minor;
}

int driver_version() {
  static const int version = setting("TRANSFORMER_EMULATION_VERSION", 13000);
  return version;
}

// The newest PTX that a driver reads, from the PTX ISA's table of release notes.
int newest_ptx(int driver) {
  int minor = driver % 1000 / 10;
  if (driver >= 13000) return 90 + minor;
  if (driver >= 12000) return 80 + (minor > 5 ? minor - 1 : minor);
  return driver >= 11000 ? 70 + std::min(8, minor) : 65;
}

thread_local std::map<std::string, i64> launched; // by kernel; recorded launches count once

struct Named {
  int status;
  const char *name, *text;
};

constexpr Named names[] = {
    {success, "CUDA_SUCCESS", "no error"},
    {invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {not_initialised, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {no_device, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {invalid_device, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {invalid_context, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {unsupported_ptx_version, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain."},
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

// Present here and in no driver: what loads this library knows what it has.
EXPORT int transformer_emulation_version() { return 1; }

// What the last failed launch had to say.
EXPORT const char *transformer_emulation_failure() { return last_failure.c_str(); }

// How often the calling thread launched kernels whose name begins so.
EXPORT i64 transformer_emulation_launches(const char *beginning) {
  i64 count = 0;
  for (const auto &[name, launches] : launched)
    if (name.compare(0, std::strlen(beginning), beginning) == 0) count += launches;
  return count;
}

// A context that a kernel has broken stays so until its process ends; tests need it back. That of
// the calling thread, and what its streams hold is thrown away.
EXPORT void transformer_emulation_reset() {
  std::lock_guard<std::recursive_mutex> lock(gate);
  if (!context) return;
  context->broken = success;
  context->resets++;
  for (Stream *stream : context->streams) {
    stream->work.clear();
    stream->capture.reset();
  }
  DeviceAccess access(context->device);
  overrun_device(context->device);
}

EXPORT int cuInit(u32 flags) {
  std::lock_guard<std::recursive_mutex> lock(gate);
  static const int status = setting("TRANSFORMER_EMULATION_INIT", success);
  if (status != success) return status;
  if (device_count() <= 0) return no_device;
  install_fault_handler();
  initialised = true;
  return flags == 0 ? success : invalid_value;
}

EXPORT int cuDriverGetVersion(int *version) {
  *version = driver_version();
  return success;
}

EXPORT int cuDeviceGetCount(int *count) {
  return locked([&] { return *count = device_count(), success; });
}

EXPORT int cuDeviceGet(int *device, int ordinal) {
  return locked([&] {
    *device = ordinal;
    return ordinal >= 0 && ordinal < device_count() ? success : invalid_device;
  });
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

EXPORT int cuDeviceGetAttribute(int *value, int attribute, int device) {
  return locked([&] {
    if (attribute == 75) return *value = capability(device) / 10, success;
    if (attribute == 76) return *value = capability(device) % 10, success;
    // Shared memory of a multiprocessor, and of a block that asks for it.
    if (attribute == 81) return *value = shared_kib(device) * 1024, success;
    if (attribute == 97) return *value = int(maximum_shared_bytes(device)), success;
    for (Attribute known : attributes)
      if (known.number == attribute) return *value = known.value, success;
    return invalid_value;
  });
}

EXPORT int cuDevicePrimaryCtxRetain(void **result, int device) {
  return locked([&] { return *result = primaries()[size_t(device)], success; });
}
EXPORT int cuCtxCreate_v2(void **result, u32, int device) {
  return locked([&] {
    others.push_back(context = new Context(device));
    return *result = context, success;
  });
}
EXPORT int cuCtxSetCurrent(void *value) {
  return locked([&] { return context = static_cast<Context *>(value), success; });
}
EXPORT int cuCtxGetDevice(int *device) {
  return current([&] { return *device = context->device, success; });
}

EXPORT int cuModuleLoadDataEx(void **module, const char *image, u32, int *, void **) {
  return current([&] {
    if (!image || !*image) return invalid_image;
    if (ptx_version(image) > newest_ptx(driver_version())) return unsupported_ptx_version;
    Dl_info self;
    dladdr(reinterpret_cast<void *>(&cuInit), &self);
    *module = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    return *module ? success : invalid_image;
  });
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
    return value <= int(maximum_shared_bytes(context->device)) ? success : invalid_value;
  });
}
// By threads and shared memory; the emulation has no registers.
EXPORT int cuOccupancyMaxActiveBlocksPerMultiprocessor(
    int *blocks, void *, int threads, size_t shared_bytes) {
  return current([&] {
    int device = context->device;
    if (threads <= 0 || shared_bytes > maximum_shared_bytes(device)) return invalid_value;
    int each = int(shared_bytes) + (capability(device) > 75 ? 1024 : 0); // what a block takes
    *blocks = std::min(2048 / threads, shared_kib(device) * 1024 / (each + !each));
    return success;
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
    if (shared_bytes > maximum_shared_bytes(context->device)) return launch_out_of_resources;
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
    launched[function.name]++;
    int device = context->device;
    return enter(stream, [=] {
      return launch(function, device, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z},
                    shared_bytes, argument);
    });
  });
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
