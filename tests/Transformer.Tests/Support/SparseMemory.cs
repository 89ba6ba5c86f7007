using System.Runtime.InteropServices;

namespace Transformer.Tests.Support;

/// <summary>Anonymous memory of which only touched pages exist, so that it may be larger than the
/// machine's; pages can be made unreadable.</summary>
internal sealed partial class SparseMemory : IDisposable
{
    private const int None = 0;
    private const int ReadWrite = 1 | 2;
    private const int PrivateAnonymousNoReserve = 0x2 | 0x20 | 0x4000;

    private readonly nint size;

    /// <summary>Reserves <paramref name="bytes"/>, which read as 0; skips the test where the
    /// system has no such memory or refuses that much.</summary>
    public SparseMemory(long bytes)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "mmap with these flags is Linux's");
        size = (nint)bytes;
        Address = MemoryMap(0, size, ReadWrite, PrivateAnonymousNoReserve, -1, 0);
        Skip.If(Address == -1,
            $"mmap refused {bytes >> 20} MiB of address space: {LastError()}");
    }

    public nint Address { get; }

    /// <summary>From now on every access to these bytes ends the process.</summary>
    /// <param name="first">First byte, at a multiple of the page size.</param>
    /// <param name="bytes">A multiple of the page size.</param>
    public void Forbid(long first, long bytes)
    {
        int result = MemoryProtect(Address + (nint)first, (nint)bytes, None);
        Assert.True(result == 0, $"mprotect: {LastError()}");
    }

    public void Dispose()
    {
        if (Address != -1) _ = MemoryUnmap(Address, size);
    }

    private static string LastError() =>
        Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError());

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint MemoryMap(
        nint address, nint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int MemoryProtect(nint address, nint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int MemoryUnmap(nint address, nint length);
}
