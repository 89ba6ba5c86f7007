// NVIDIA's run-time compiler, as far as its callers can tell: PTX without instructions, which the
// emulated driver takes as it takes any image. A text with "#error" is rejected, with a log.
#include "../include/platform.cuh"

#include <string>

namespace {

enum Status : int { success = 0, compilation = 6 };

struct Program {
  std::string source, name, ptx, log;
};

constexpr int architectures[] = {75, 80, 86, 89, 90, 100};

int compiled; // programs so far

Program &of(void *program) { return *static_cast<Program *>(program); }

} // namespace

#define EXPORT extern "C" __attribute__((visibility("default")))

// How many programs were compiled: for tests of what is kept between runs.
EXPORT int transformer_emulation_compiled() { return compiled; }

EXPORT const char *nvrtcGetErrorString(int status) {
  return status == compilation ? "NVRTC_ERROR_COMPILATION" : "NVRTC_ERROR_INVALID_INPUT";
}
EXPORT int nvrtcVersion(int *major, int *minor) { return *major = 12, *minor = 4, success; }
EXPORT int nvrtcGetNumSupportedArchs(int *count) {
  return *count = int(sizeof(architectures) / sizeof(int)), success;
}
EXPORT int nvrtcGetSupportedArchs(int *all) {
  for (int one : architectures) *all++ = one;
  return success;
}
EXPORT int nvrtcCreateProgram(void **program, const char *source, const char *name, int,
                              const char **, const char **) {
  return *program = new Program{source, name, "", ""}, success;
}
EXPORT int nvrtcCompileProgram(void *program, int count, const char **options) {
  Program &own = of(program);
  compiled++;
  if (own.source.find("#error") != std::string::npos) {
    own.log = own.name + "(1): error: #error directive";
    return compilation;
  }
  own.ptx = "// " + own.name;
  for (int i = 0; i < count; i++) own.ptx += std::string(" ") + options[i];
  own.ptx += "\n.version 8.4\n";
  return success;
}
EXPORT int nvrtcGetPTXSize(void *program, size_t *bytes) {
  return *bytes = of(program).ptx.size() + 1, success;
}
EXPORT int nvrtcGetPTX(void *program, char *text) {
  std::memcpy(text, of(program).ptx.c_str(), of(program).ptx.size() + 1);
  return success;
}
EXPORT int nvrtcGetProgramLogSize(void *program, size_t *bytes) {
  return *bytes = of(program).log.size() + 1, success;
}
EXPORT int nvrtcGetProgramLog(void *program, char *text) {
  std::memcpy(text, of(program).log.c_str(), of(program).log.size() + 1);
  return success;
}
EXPORT int nvrtcDestroyProgram(void **program) {
  delete static_cast<Program *>(*program);
  return *program = nullptr, success;
}
