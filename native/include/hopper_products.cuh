// d (+)= a·b of a warpgroup, 64×N over 16, as hopper.cuh tells. The instruction names each register
// of d, hence the macros. Across: the operand's tile is [k][row].
#pragma once

#define PAIR(i)                                                                                 \
  "+f"(d[i][0]), "+f"(d[i][1]), "+f"(d[i][2]), "+f"(d[i][3]), "+f"(d[i + 1][0]),               \
      "+f"(d[i + 1][1]), "+f"(d[i + 1][2]), "+f"(d[i + 1][3])
#define PAIRS(i) PAIR(i), PAIR(i + 2), PAIR(i + 4), PAIR(i + 6)
#define D_32 PAIRS(0)
#define D_64 PAIRS(0), PAIRS(8)
#define D_128 D_64, PAIRS(16), PAIRS(24)
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

// Operands: a's and b's descriptors, whether d is added to, across a, across b.
#define FROM_SHARED(count, columns, type, a0, b0, adds0, across_a0, across_b0)                 \
  asm volatile("{ .reg .pred adds; setp.ne.b32 adds, " adds0 ", 0; "                           \
               "wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "." type " "        \
               NAMES_##count ", " a0 ", " b0 ", adds, 1, 1, " across_a0 ", " across_b0 "; }"   \
               : D_##count                                                                     \
               : "l"(a), "l"(b), "r"(i32(adds)), "n"(i32(AcrossA)), "n"(i32(AcrossB)))
// Operands: a's four registers, b's descriptor, whether d is added to, across b.
#define FROM_REGISTERS(count, columns, type, a0, b0, adds0, across_b0)                         \
  asm volatile("{ .reg .pred adds; setp.ne.b32 adds, " adds0 ", 0; "                           \
               "wgmma.mma_async.sync.aligned.m64n" columns "k16.f32." type "." type " "        \
               NAMES_##count ", " a0 ", " b0 ", adds, 1, 1, " across_b0 "; }"                  \
               : D_##count                                                                     \
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "r"(i32(adds)),           \
                 "n"(i32(AcrossB)))

// Both operands in shared memory; d is set where it is not added to.
template <typename T, bool AcrossA, bool AcrossB, u32 Eighths>
__device__ __forceinline__ void multiply_warpgroup(
    float (&d)[Eighths][4], u64 a, u64 b, bool adds) {
  static_assert(Eighths == 8 || Eighths == 16 || Eighths == 32, "64, 128 or 256 columns");
#if defined(TRANSFORMER_EMULATION)
  emulation::multiply_warpgroup(
      {a, b, nullptr, d[0], 8 * Eighths, AcrossA, AcrossB, is_bf16<T>, adds});
#else
  if constexpr (Eighths == 8) {
    if constexpr (is_bf16<T>) FROM_SHARED(32, "64", "bf16", "%32", "%33", "%34", "%35", "%36");
    else FROM_SHARED(32, "64", "f16", "%32", "%33", "%34", "%35", "%36");
  } else if constexpr (Eighths == 16) {
    if constexpr (is_bf16<T>) FROM_SHARED(64, "128", "bf16", "%64", "%65", "%66", "%67", "%68");
    else FROM_SHARED(64, "128", "f16", "%64", "%65", "%66", "%67", "%68");
  } else {
    if constexpr (is_bf16<T>)
      FROM_SHARED(128, "256", "bf16", "%128", "%129", "%130", "%131", "%132");
    else FROM_SHARED(128, "256", "f16", "%128", "%129", "%130", "%131", "%132");
  }
#endif
}

// a in registers, which stay as they are until the product is waited for.
template <typename T, bool AcrossB, u32 Eighths>
__device__ __forceinline__ void multiply_warpgroup(
    float (&d)[Eighths][4], const u32 (&a)[4], u64 b, bool adds) {
  static_assert(Eighths == 8 || Eighths == 16, "64 or 128 columns");
#if defined(TRANSFORMER_EMULATION)
  emulation::multiply_warpgroup({0, b, a, d[0], 8 * Eighths, false, AcrossB, is_bf16<T>, adds});
#else
  if constexpr (Eighths == 8) {
    if constexpr (is_bf16<T>)
      FROM_REGISTERS(32, "64", "bf16", "{%32, %33, %34, %35}", "%36", "%37", "%38");
    else FROM_REGISTERS(32, "64", "f16", "{%32, %33, %34, %35}", "%36", "%37", "%38");
  } else {
    if constexpr (is_bf16<T>)
      FROM_REGISTERS(64, "128", "bf16", "{%64, %65, %66, %67}", "%68", "%69", "%70");
    else FROM_REGISTERS(64, "128", "f16", "{%64, %65, %66, %67}", "%68", "%69", "%70");
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
#undef FROM_REGISTERS
