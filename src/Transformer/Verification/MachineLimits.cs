using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Verification;

/// <summary>What this machine's processor can do at most, measured.</summary>
/// <param name="FmaPeakGflopsOneCore">Binary32 multiply-adds (two operations each) of one thread,
/// 10⁹ operations a second.</param>
/// <param name="FmaPeakGflops">The same of all threads.</param>
/// <param name="CopyGBs">Copying between arrays beyond every cache, all threads: bytes read plus
/// bytes written, 10⁹ a second.</param>
/// <param name="ReadGBs">Reading such an array, all threads.</param>
/// <param name="Threads">Threads used: TRANSFORMER_THREADS or the number of processors.</param>
/// <param name="VectorBits">Width of the vectors used.</param>
public sealed record MachineLimits(
    double FmaPeakGflopsOneCore, double FmaPeakGflops, double CopyGBs, double ReadGBs,
    int Threads, int VectorBits)
{
    /// <summary>The better of both ways to use memory: the roofline's.</summary>
    public double Bandwidth => Math.Max(CopyGBs, ReadGBs);

    // Two arrays of this size: several times any last-level cache in use.
    private const long ArrayBytes = 128L << 20;

    /// <summary>Measures; takes about the given time.</summary>
    /// <param name="budget">Time for all four figures together, a quarter each.</param>
    /// <remarks>The best of repeated runs counts: a limit is what the machine can do undisturbed.
    /// </remarks>
    public static unsafe MachineLimits Measure(TimeSpan budget)
    {
        TimeSpan share = budget / 4;
        double oneCore = BestRate(share, () => FmaLimit.Run(batches: 1));
        // On a busy machine the team may get less than one thread did; the limit is not lower.
        double allCores = CpuParallel.ThreadCount == 1 ? oneCore : Math.Max(
            oneCore, BestRate(share, () => FmaLimit.Run(batches: 4 * CpuParallel.ThreadCount)));
        byte* source = (byte*)NativeMemory.AlignedAlloc((nuint)ArrayBytes, 64);
        byte* destination = (byte*)NativeMemory.AlignedAlloc((nuint)ArrayBytes, 64);
        try
        {
            // Touched first: the system hands out pages on the first write.
            NativeMemory.Fill(source, (nuint)ArrayBytes, 1);
            NativeMemory.Fill(destination, (nuint)ArrayBytes, 2);
            double copy = BestRate(
                share, () => MemoryLimit.Copy(source, ArrayBytes, destination));
            double read = BestRate(share, () => MemoryLimit.Read(source, ArrayBytes));
            return new(oneCore / 1e9, allCores / 1e9, copy / 1e9, read / 1e9,
                CpuParallel.ThreadCount, SimdDispatch.VectorBits);
        }
        finally
        {
            NativeMemory.AlignedFree(source);
            NativeMemory.AlignedFree(destination);
        }
    }

    private static double BestRate(TimeSpan budget, Func<double> run)
    {
        run();
        double best = 0;
        long begin = Stopwatch.GetTimestamp();
        do
        {
            long start = Stopwatch.GetTimestamp();
            double work = run();
            best = Math.Max(best, work / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        while (Stopwatch.GetElapsedTime(begin) < budget);
        return best;
    }
}

/// <summary>Multiply-adds in registers.</summary>
internal readonly struct FmaLimit(int batches) : ISimdAction
{
    private const int Rounds = 200_000;

    // Latency 4 to 5 at 2 a cycle needs 8 to 10 independent sums; 12 leave registers for operands.
    private const int Accumulators = 12;

    private static float keep;

    /// <summary>Runs the batches on the thread team; returns the operations done.</summary>
    public static double Run(int batches)
    {
        SimdDispatch.Run(new FmaLimit(batches));
        int width = SimdDispatch.VectorBits / 32;
        return 2.0 * batches * Rounds * Accumulators * width;
    }

    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        // 0.5·s + 1 tends to 2: no overflow, no denormal number, nothing to fold.
        Work<T> work = new(0.5f, 1f);
        CpuParallel.For(batches, ref work);
    }

    private readonly struct Work<T>(float factor, float summand) : IBatchWork
        where T : struct, ISimdFloat<T>
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            T a = T.Broadcast(factor);
            T b = T.Broadcast(summand);
            T s0 = T.Zero, s1 = a, s2 = b, s3 = a, s4 = b, s5 = a, s6 = b, s7 = a, s8 = b, s9 = a,
                s10 = b, s11 = a;
            for (int i = 0; i < Rounds; i++)
            {
                s0 = T.MultiplyAdd(s0, a, b);
                s1 = T.MultiplyAdd(s1, a, b);
                s2 = T.MultiplyAdd(s2, a, b);
                s3 = T.MultiplyAdd(s3, a, b);
                s4 = T.MultiplyAdd(s4, a, b);
                s5 = T.MultiplyAdd(s5, a, b);
                s6 = T.MultiplyAdd(s6, a, b);
                s7 = T.MultiplyAdd(s7, a, b);
                s8 = T.MultiplyAdd(s8, a, b);
                s9 = T.MultiplyAdd(s9, a, b);
                s10 = T.MultiplyAdd(s10, a, b);
                s11 = T.MultiplyAdd(s11, a, b);
            }

            T sum = s0 + s1 + s2 + s3 + s4 + s5 + (s6 + s7 + s8 + s9 + s10 + s11);
            Volatile.Write(ref keep, T.Sum(sum));
        }
    }
}

/// <summary>Copying and reading of arrays in contiguous chunks.</summary>
internal static unsafe class MemoryLimit
{
    private const long Chunk = 1 << 20;

    private static float keep;

    /// <summary>Copies an array; returns bytes read plus bytes written.</summary>
    public static double Copy(byte* source, long bytes, byte* destination)
    {
        CopyWork work = new(source, destination);
        CpuParallel.For((int)(bytes / Chunk), ref work);
        return 2.0 * bytes;
    }

    /// <summary>Sums an array; returns bytes read.</summary>
    public static double Read(byte* source, long bytes)
    {
        SimdDispatch.Run(new ReadAction(source, (int)(bytes / Chunk)));
        return bytes;
    }

    private readonly struct CopyWork(byte* source, byte* destination) : IBatchWork
    {
        public void Run(int batch) => Buffer.MemoryCopy(
            source + (batch * Chunk), destination + (batch * Chunk), Chunk, Chunk);
    }

    private readonly struct ReadAction(byte* source, int batches) : ISimdAction
    {
        public void Run<T>() where T : struct, ISimdFloat<T>
        {
            ReadWork<T> work = new(source);
            CpuParallel.For(batches, ref work);
        }
    }

    private readonly struct ReadWork<T>(byte* source) : IBatchWork
        where T : struct, ISimdFloat<T>
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            float* at = (float*)(source + (batch * Chunk));
            nint count = (nint)(Chunk / sizeof(float));
            // Maxima instead of sums: no dependence on the numbers that lie there.
            T m0 = T.Zero, m1 = m0, m2 = m0, m3 = m0;
            for (nint i = 0; i < count; i += 4 * T.Width)
            {
                m0 = T.Max(m0, T.Load(at + i));
                m1 = T.Max(m1, T.Load(at + i + T.Width));
                m2 = T.Max(m2, T.Load(at + i + (2 * T.Width)));
                m3 = T.Max(m3, T.Load(at + i + (3 * T.Width)));
            }

            Volatile.Write(ref keep, T.Sum(T.Max(T.Max(m0, m1), T.Max(m2, m3))));
        }
    }
}
