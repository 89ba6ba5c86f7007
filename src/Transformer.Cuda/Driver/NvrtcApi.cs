using System.Runtime.InteropServices;

namespace Transformer.Cuda.Driver;

/// <summary>The part of NVIDIA's run-time compiler that is used here; every call returns 0 or a
/// status.</summary>
/// <remarks>Names and signatures: NVRTC reference, version 12.</remarks>
internal static unsafe partial class NvrtcApi
{
    /// <summary>Resolved by <see cref="NvrtcLibrary"/>.</summary>
    public const string Library = "nvrtc";

    [LibraryImport(Library)]
    public static partial byte* nvrtcGetErrorString(int status);

    [LibraryImport(Library)]
    public static partial int nvrtcVersion(out int major, out int minor);

    [LibraryImport(Library)]
    public static partial int nvrtcGetNumSupportedArchs(out int count);

    [LibraryImport(Library)]
    public static partial int nvrtcGetSupportedArchs(int* architectures);

    [LibraryImport(Library)]
    public static partial int nvrtcCreateProgram(
        out nint program, byte* source, byte* name, int headers, byte** texts, byte** names);

    [LibraryImport(Library)]
    public static partial int nvrtcCompileProgram(nint program, int count, byte** options);

    [LibraryImport(Library)]
    public static partial int nvrtcGetPTXSize(nint program, out nuint bytes);

    [LibraryImport(Library)]
    public static partial int nvrtcGetPTX(nint program, byte* text);

    [LibraryImport(Library)]
    public static partial int nvrtcGetProgramLogSize(nint program, out nuint bytes);

    [LibraryImport(Library)]
    public static partial int nvrtcGetProgramLog(nint program, byte* text);

    [LibraryImport(Library)]
    public static partial int nvrtcDestroyProgram(ref nint program);
}
