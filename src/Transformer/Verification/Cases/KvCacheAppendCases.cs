using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification.Cases;

/// <summary>What a case of a cache append is made of.</summary>
/// <param name="Batch">Sequences.</param>
/// <param name="NewLength">New rows a sequence.</param>
/// <param name="Capacity">Rows a sequence can hold; of a paged cache PageSize · blocks.</param>
/// <param name="Width">Elements of a row.</param>
internal sealed record KvCacheSpec(int Batch, int NewLength, int Capacity, int Width)
{
    /// <summary>Elements between source rows; 0 is Width.</summary>
    public long Stride { get; init; }

    /// <summary>Rows of a page; 0 is a contiguous cache.</summary>
    public int PageSize { get; init; }

    /// <summary>Elements of a head that is rotated; 0 is no rotation.</summary>
    public int Rotated { get; init; }

    /// <summary>R; 0 is the whole head.</summary>
    public int RotaryDimension { get; init; }

    /// <summary>Pairs are neighbours.</summary>
    public bool Interleaved { get; init; }

    /// <summary>The source is binary32 whatever the cache is.</summary>
    public bool WideSource { get; init; }

    /// <summary>Belongs to the quick subset.</summary>
    public bool Quick { get; init; }

    public int Blocks => PageSize == 0 ? 0 : Capacity / PageSize;

    // Some pages belong to nobody.
    public int Pages => PageSize == 0 ? 0 : (Batch * Blocks) + 3;

    public string Name => FormattableString.Invariant(
        $"[{Batch}, {NewLength}, {Width}] into {Capacity}") +
        (Stride == 0 ? "" : FormattableString.Invariant($" stride {Stride}")) +
        (PageSize == 0 ? "" : FormattableString.Invariant($" pages of {PageSize}")) +
        (Rotated == 0 ? "" : FormattableString.Invariant($" heads of {Rotated} rotated")) +
        (RotaryDimension == 0 ? "" : FormattableString.Invariant($" to {RotaryDimension}")) +
        (Interleaved ? " neighbours" : "") + (WideSource ? " from binary32" : "");
}

/// <summary>Cases of <see cref="KvCacheAppendForward"/>.</summary>
internal static class KvCacheAppendCases
{
    public static IEnumerable<ParityCase> All()
    {
        foreach (KvCacheSpec spec in Specs())
        {
            yield return Case(spec);
            if (spec.Quick) continue; // the quick ones are repeated in 16 bits by the table
            yield return Case(spec).As(DType.Float16);
            yield return Case(spec).As(DType.BFloat16);
        }
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        double elements = (double)size.Batch * size.Width;
        KvCacheSpec spec = new(size.Batch, 1, size.Length, size.Width);
        yield return new BenchCase<KvCacheAppendForward>(
            spec.Name, new(0, 8 * elements), m => Call(m, spec));
        KvCacheSpec rotated = spec with
        {
            PageSize = 16, Rotated = size.Width / size.Heads,
        };
        yield return new BenchCase<KvCacheAppendForward>(
            rotated.Name, new(3 * elements, 8 * elements), m => Call(m, rotated));
    }

    internal static KvCacheAppendForward Call(CaseMemory memory, KvCacheSpec spec)
    {
        long rows = (long)spec.Batch * spec.NewLength;
        long step = spec.Stride == 0 ? spec.Width : spec.Stride;
        double[] source = memory.Normal("source", rows == 0 ? 0 : ((rows - 1) * step) + spec.Width);
        int half = (spec.RotaryDimension == 0 ? spec.Rotated : spec.RotaryDimension) / 2;
        int blocks = spec.PageSize == 0 ? spec.Batch : spec.Pages;
        int size = spec.PageSize == 0 ? spec.Capacity : spec.PageSize;
        return new()
        {
            Source = spec.WideSource
                ? memory.Statistic("source", source) : memory.Input("source", source),
            Positions = memory.Input("positions", memory.Integers(
                "positions", spec.Batch, spec.Capacity - spec.NewLength + 1)),
            // Rows outside the new ones must stay as they are.
            Cache = memory.Updated("cache", (long)blocks * size * spec.Width),
            Batch = spec.Batch,
            NewLength = spec.NewLength,
            Capacity = spec.PageSize == 0 ? spec.Capacity : 0,
            Width = spec.Width,
            SourceRowStride = spec.Stride,
            Rotary = spec.Rotated == 0 ? default : RotaryEmbeddingCases.Tables(memory,
                spec.Capacity, spec.Capacity, spec.RotaryDimension, half, spec.Interleaved),
            HeadDimension = spec.Rotated,
            BlockTable = spec.PageSize == 0 ? default
                : memory.Input("blockTable", Table(memory, spec)),
            MaximumBlocks = spec.Blocks,
            PageSize = spec.PageSize,
            PageCount = spec.Pages,
        };
    }

    private static IEnumerable<KvCacheSpec> Specs()
    {
        yield return new(1, 1, 4, 1);
        yield return new(2, 1, 16, 15) { Quick = true };
        yield return new(2, 3, 16, 17) { Quick = true };
        yield return new(3, 5, 9, 64);
        yield return new(3, 2, 9, 33) { Stride = 3 * 33, Quick = true };
        yield return new(2, 7, 7, 251);
        yield return new(0, 1, 4, 8);
        yield return new(2, 3, 9, 31) { WideSource = true };
        yield return new(2, 20, 33, 96) { WideSource = true, Stride = 101 };
        yield return new(1, 1, 2, 2500) { WideSource = true };
        yield return new(2, 5, 48, 24) { PageSize = 16 };
        yield return new(3, 40, 64, 7) { PageSize = 32, WideSource = true };
        yield return new(2, 16, 16, 5) { PageSize = 16 };
        yield return new(0, 1, 32, 8) { PageSize = 32 };
        foreach (bool interleaved in (bool[])[false, true])
        {
            KvCacheSpec spec = new(2, 5, 48, 3 * 32) { Rotated = 32, Interleaved = interleaved };
            yield return spec;
            yield return spec with { PageSize = 16, RotaryDimension = 22, Stride = 130 };
            yield return spec with { PageSize = 16, WideSource = true };
            yield return new(1, 3, 9, 5 * 400)
            {
                Rotated = 400, Interleaved = interleaved, RotaryDimension = 18,
            };
            yield return new(1, 2, 9, 1300) { Rotated = 1300, Interleaved = interleaved };
        }
    }

    private static ParityCase<KvCacheAppendForward> Case(KvCacheSpec spec)
    {
        // Rotation: two products and a sum. A narrower cache: one rounding to its type.
        Tolerance bound = spec.Rotated > 0 ? Tolerance.Elementwise(3)
            : spec.WideSource ? Tolerance.Elementwise(1) : Tolerance.Exact;
        return new(spec.Name, bound, m => Call(m, spec), spec.Quick);
    }

    /// <summary>The pages in some order, each at most once.</summary>
    private static int[] Table(CaseMemory memory, KvCacheSpec spec)
    {
        int count = spec.Batch * spec.Blocks;
        int[] keys = memory.Integers("pages", spec.Pages, int.MaxValue);
        int[] pages = [.. Enumerable.Range(0, spec.Pages)];
        Array.Sort(keys, pages);
        return pages[..count];
    }
}
