using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Numerics;

namespace Transformer.Kernels.Ilgpu.Sampling;

/// <summary>A call.</summary>
internal struct SamplingArgument<T> where T : unmanaged
{
    public ArrayView<T> Logits;
    public ArrayView<int> Tokens;
    public ulong Seed, First;
    public double TopP;
    public float Temperature;
    public int Vocabulary, Kept;
}

/// <summary>tokens[r] = the first token t with Σ_{i ≤ t} wᵢ &gt; u·Σ wᵢ over the tokens that are
/// left, wᵢ = exp((xᵢ − m)/temperature), m the row's maximum; u in [0, 1) from Philox.</summary>
/// <remarks>
/// <para>Shapes: logits [rows, vocabulary]; tokens [rows].</para>
/// <para>Work: a group a row. A pass finds the most likely token; top-k and top-p find the rank of
/// the least likely token left, four passes each (more where logits are equal), and top-p one for
/// the sum before; two more draw: each thread adds up a part of the row, and the one whose part has
/// the target walks through it.</para>
/// <para>Shared memory: 272 numbers of 64 bits.</para>
/// <para>Bytes: logits 3 to 12 times, from cache after the first; greedy once.</para>
/// <para>Numerics: exponentials in float, then whole multiples of 2⁻³²: sums are exact, whatever
/// their order. A token below 2⁻³² of the most likely one is never drawn. −1 for a row with NaN or
/// +∞, or nothing but −∞.</para>
/// <para>Source: Fan, Lewis, Dauphin 2018 (top-k); Holtzman et al. 2020 (top-p).</para>
/// </remarks>
internal static class SamplingKernel
{
    public const int SharedNumbers = Ranks.Bins + Ranks.Groups;

    private const uint Stream = 0xFFFF_0005;

    public static void GroupPerRow<T, TStorage>(SamplingArgument<T> p)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        ArrayView<long> bins = SharedMemory.GetDynamic<long>();
        TStorage storage = default;
        int length = p.Vocabulary;
        long row = (long)Grid.IdxX * length;
        ulong best = 0;
        for (int i = Group.IdxX; i < length; i += Group.DimX)
        {
            ulong rank = Ranks.Of(storage.Load(p.Logits, row + i), i);
            if (rank > best) best = rank;
        }

        best = Ranks.Largest(best, bins.Cast<ulong>());
        SampleWeight weight;
        weight.Peak = storage.Load(p.Logits, row + Ranks.Index(best));
        weight.Temperature = p.Temperature;
        weight.Least = 0;
        bool drawable = weight.Peak >= -float.MaxValue && weight.Peak <= float.MaxValue;
        if (!drawable || p.Temperature == 0)
        {
            if (Group.IdxX == 0) p.Tokens[Grid.IdxX] = drawable ? Ranks.Index(best) : -1;
            return;
        }

        if (p.Kept < length)
        {
            weight.Least = Ranks.Select<T, TStorage, CountOne>(
                p.Logits, row, length, p.Kept, bins, default);
        }

        if (p.TopP < 1)
        {
            long all = 0;
            for (int i = Group.IdxX; i < length; i += Group.DimX)
                all += Weight<T, TStorage>(p, row, i, weight);
            long enough = (long)(p.TopP * Ranks.Sum(all, bins));
            weight.Least = Ranks.Select<T, TStorage, SampleWeight>(
                p.Logits, row, length, enough == 0 ? 1 : enough, bins, weight);
        }

        Draw<T, TStorage>(p, row, bins, weight);
    }

    // Parts of the row in the order of its tokens, one a thread.
    private static void Draw<T, TStorage>(
        SamplingArgument<T> p, long row, ArrayView<long> bins, SampleWeight weight)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        int length = p.Vocabulary, part = (length + Group.DimX - 1) / Group.DimX;
        int begin = Group.IdxX * part, end = begin + part < length ? begin + part : length;
        long sum = 0;
        for (int i = begin; i < end; i++) sum += Weight<T, TStorage>(p, row, i, weight);
        double total = Ranks.Sum(sum, bins); // leaves every thread's sum there
        float unit = Philox.ToUnit(Philox.Word(p.Seed, Stream, 0, p.First + (ulong)Grid.IdxX));
        long target = (long)(unit * total), before = 0;
        for (int i = 0; i < Group.IdxX; i++) before += bins[i];
        if (before > target || before + sum <= target) return; // it lies in another part
        int token = begin;
        before += Weight<T, TStorage>(p, row, token, weight);
        while (before <= target)
        {
            token++;
            before += Weight<T, TStorage>(p, row, token, weight);
        }

        p.Tokens[Grid.IdxX] = token;
    }

    private static long Weight<T, TStorage>(
        SamplingArgument<T> p, long row, int token, SampleWeight weight)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        TStorage storage = default;
        float x = storage.Load(p.Logits, row + token);
        return weight.Weigh(x, Ranks.Of(x, token));
    }
}

/// <summary>2³²·e^((x − peak)/temperature), 0 below the least rank that is left.</summary>
internal struct SampleWeight : IRankWeight
{
    public float Peak, Temperature;
    public ulong Least;

    public readonly long Weigh(float value, ulong rank) => rank < Least
        ? 0 : (long)(FloatMath.Exp((value - Peak) / Temperature) * 4294967296f);
}
