using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>Pages of memory between two that nobody may touch: a read or write beyond either end
/// ends the process at once.</summary>
/// <remarks>Where the system is neither Unix nor Windows the outer pages are plain memory; writes
/// beyond the ends then show in what surrounds the spans.</remarks>
internal sealed unsafe partial class GuardedMemory : IDisposable
{
    private const int ReadWrite = 3, PrivateAnonymousLinux = 0x22, PrivateAnonymousMac = 0x1002;
    private const uint ReserveCommit = 0x3000, Release = 0x8000, PageNoAccess = 1;
    private const uint PageReadWrite = 4;

    private readonly byte* mapping;
    private readonly nuint mapped;

    public GuardedMemory(int bytes)
    {
        int page = Environment.SystemPageSize;
        Length = (bytes + page - 1) / page * page;
        mapped = (nuint)(Length + (2 * page));
        mapping = Map(mapped);
        Start = mapping + page;
        Protect(mapping, (nuint)page);
        Protect(Start + Length, (nuint)page);
    }

    /// <summary>First usable byte, behind the first guard page.</summary>
    public byte* Start { get; }

    /// <summary>Usable bytes; the second guard page follows.</summary>
    public int Length { get; }

    public Span<byte> Bytes => new(Start, Length);

    public void Dispose()
    {
        if (OperatingSystem.IsWindows()) _ = VirtualFree(mapping, 0, Release);
        else if (IsUnix) _ = Unmap(mapping, mapped);
        else NativeMemory.Free(mapping);
    }

    /// <summary>Touching the outer pages ends the process.</summary>
    public static bool HasGuards => OperatingSystem.IsWindows() || IsUnix;

    private static bool IsUnix => OperatingSystem.IsLinux() || OperatingSystem.IsMacOS();

    private static byte* Map(nuint bytes)
    {
        if (OperatingSystem.IsWindows())
        {
            byte* address = VirtualAlloc(null, bytes, ReserveCommit, PageReadWrite);
            return address != null ? address : throw new Win32Exception();
        }

        if (!IsUnix) return (byte*)NativeMemory.AllocZeroed(bytes);
        byte* memory = Map(null, bytes, ReadWrite, OperatingSystem.IsLinux()
            ? PrivateAnonymousLinux : PrivateAnonymousMac, -1, 0);
        return (nint)memory != -1 ? memory : throw new Win32Exception();
    }

    private static void Protect(byte* address, nuint bytes)
    {
        bool done = OperatingSystem.IsWindows()
            ? VirtualProtect(address, bytes, PageNoAccess, out _) != 0
            : !IsUnix || Protect(address, bytes, 0) == 0;
        if (!done) throw new Win32Exception();
    }

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial byte* Map(
        byte* address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(byte* address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(byte* address, nuint length);

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial byte* VirtualAlloc(
        byte* address, nuint size, uint allocationType, uint protection);

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial int VirtualProtect(
        byte* address, nuint size, uint protection, out uint before);

    [LibraryImport("kernel32", SetLastError = true)]
    private static partial int VirtualFree(byte* address, nuint size, uint freeType);
}
