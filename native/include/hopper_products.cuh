// d = a·b or d += a·b of a warpgroup, 64×N over 16, as hopper.cuh tells. The instruction names each
// register of d, hence the macros. Across: the operand's tile is [k][row].
#pragma once

// Registers that are written ("=f"), or added to ("+f").
#define PAIR(c, i)                                                                             \
  c(d[i][0]), c(d[i][1]), c(d[i][2]), c(d[i][3]), c(d[i + 1][0]), c(d[i + 1][1]),              \
      c(d[i + 1][2]), c(d[i + 1][3])
#define PAIRS(c, i) PAIR(c, i), PAIR(c, i + 2), PAIR(c, i + 4), PAIR(c, i + 6)
#define D_32(c) PAIRS(c, 0)
#define D_64(c) PAIRS(c, 0), PAIRS(c, 8)
#define D_128(c) D_64(c), PAIRS(c, 16), PAIRS(c, 24)
#define NAMES_32 \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, " \
  "%18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define NAMES_64 \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, " \
  "%18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, " \
  "%34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, " \
  "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}"
#define NAMES_128 \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, " \
  "%18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, %32, %33, " \
  "%34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, " \
  "%50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63, %64, %65, " \
  "%66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, " \
  "%82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, %96, %97, " \
  "%98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, " \
  "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, " \
  "%125, %126, %127}"

// Operands: a's and b's descriptors, across a, across b.
#define FROM_SHARED(count, c, adds, columns, type, a0, b0, across_a0, across_b0)               \
  asm volatile("{ .reg .pred adds; setp.ne.b32 adds, " adds ", 0; "                            \
               "wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "." type " "        \
               NAMES_##count ", " a0 ", " b0 ", adds, 1, 1, " across_a0 ", " across_b0 "; }"   \
               : D_##count(c)                                                                  \
               : "l"(a), "l"(b), "n"(i32(AcrossA)), "n"(i32(AcrossB)))
#define FROM_SHARED_EITHER(count, columns, type, a0, b0, across_a0, across_b0)                 \
  do {                                                                                         \
    if constexpr (Adds)                                                                        \
      FROM_SHARED(count, "+f", "1", columns, type, a0, b0, across_a0, across_b0);              \
    else FROM_SHARED(count, "=f", "0", columns, type, a0, b0, across_a0, across_b0);           \
  } while (false)
// Operands: a's four registers, b's descriptor, across b.
#define FROM_REGISTERS(count, columns, type, a0, b0, across_b0)                                \
  asm volatile("{ .reg .pred adds; setp.ne.b32 adds, 1, 0; "                                   \
               "wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "." type " "        \
               NAMES_##count ", " a0 ", " b0 ", adds, 1, 1, " across_b0 "; }"                  \
               : D_##count("+f")                                                               \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(i32(AcrossB)))

// d = a·b, or d += a·b, both operands in shared memory.
template <typename T, bool Adds, bool AcrossA, bool AcrossB, u32 Eighths>
__device__ __forceinline__ void multiply_warpgroup(float (&d)[Eighths][4], u64 a, u64 b) {
  static_assert(Eighths == 8 || Eighths == 16 || Eighths == 32, "64, 128 or 256 columns");
#if defined(TRANSFORMER_EMULATION)
  emulation::multiply_warpgroup(
      {a, b, nullptr, d[0], 8 * Eighths, AcrossA, AcrossB, is_bf16<T>, Adds});
#else
  if constexpr (Eighths == 8) {
    if constexpr (is_bf16<T>) FROM_SHARED_EITHER(32, "64", "bf16", "%32", "%33", "%34", "%35");
    else FROM_SHARED_EITHER(32, "64", "f16", "%32", "%33", "%34", "%35");
  } else if constexpr (Eighths == 16) {
    if constexpr (is_bf16<T>) FROM_SHARED_EITHER(64, "128", "bf16", "%64", "%65", "%66", "%67");
    else FROM_SHARED_EITHER(64, "128", "f16", "%64", "%65", "%66", "%67");
  } else {
    if constexpr (is_bf16<T>)
      FROM_SHARED_EITHER(128, "256", "bf16", "%128", "%129", "%130", "%131");
    else FROM_SHARED_EITHER(128, "256", "f16", "%128", "%129", "%130", "%131");
  }
#endif
}

// d += a·b with a in registers, which stay as they are until the product is waited for.
template <typename T, bool AcrossB, u32 Eighths>
__device__ __forceinline__ void multiply_warpgroup(
    float (&d)[Eighths][4], const u32 (&a)[4], u64 b) {
  static_assert(Eighths == 8 || Eighths == 16, "64 or 128 columns");
#if defined(TRANSFORMER_EMULATION)
  emulation::multiply_warpgroup({0, b, a, d[0], 8 * Eighths, false, AcrossB, is_bf16<T>, true});
#else
  if constexpr (Eighths == 8) {
    if constexpr (is_bf16<T>)
      FROM_REGISTERS(32, "64", "bf16", "{%32, %33, %34, %35}", "%36", "%37");
    else FROM_REGISTERS(32, "64", "f16", "{%32, %33, %34, %35}", "%36", "%37");
  } else {
    if constexpr (is_bf16<T>)
      FROM_REGISTERS(64, "128", "bf16", "{%64, %65, %66, %67}", "%68", "%69");
    else FROM_REGISTERS(64, "128", "f16", "{%64, %65, %66, %67}", "%68", "%69");
  }
#endif
}

#undef PAIR
#undef PAIRS
#undef D_32
#undef D_64
#undef D_128
#undef NAMES_32
#undef NAMES_64
#undef NAMES_128
#undef FROM_SHARED
#undef FROM_SHARED_EITHER
#undef FROM_REGISTERS
