using System.Globalization;
using System.IO.MemoryMappedFiles;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>The process in which random calls run: one that reads or writes where it may not ends
/// it, and leaves the number of its set in a mapped file.</summary>
internal static unsafe class FuzzProgram
{
    /// <summary>Arguments: file, seed, first set, count, and optionally a mistake to make (read,
    /// write or hang) and at which set; or "describe", seed, set.</summary>
    internal static int Main(string[] arguments)
    {
        if (arguments is ["describe", var seed, var set])
        {
            Console.WriteLine(FuzzRun.Describe((ulong)Number(seed), Number(set)));
            return 0;
        }

        using MemoryMappedFile file = MemoryMappedFile.CreateFromFile(arguments[0]);
        using MemoryMappedViewAccessor view = file.CreateViewAccessor();
        byte* progress = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref progress);
        long fault = arguments.Length > 5 ? Number(arguments[5]) : -1;
        void Begin(long set)
        {
            Volatile.Write(ref *(long*)progress, set);
            if (set == fault) MakeMistake(arguments[4]);
        }

        (string? finding, long accepted) = FuzzRun.Run(
            (ulong)Number(arguments[1]), Number(arguments[2]), Number(arguments[3]), Begin);
        Console.WriteLine(finding ?? accepted.ToString(CultureInfo.InvariantCulture));
        return finding is null ? 0 : 1;
    }

    private static void MakeMistake(string kind)
    {
        using GuardedMemory memory = new(1);
        if (kind == "hang") Thread.Sleep(Timeout.Infinite);
        else if (kind == "write") memory.Start[-1] = 1;
        else if (memory.Start[memory.Length] == 1) Console.WriteLine("not guarded");
    }

    private static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
