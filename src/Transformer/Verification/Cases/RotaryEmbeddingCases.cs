using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification.Cases;

/// <summary>What a case of a rotary embedding is made of.</summary>
/// <param name="Sizes">Sizes.</param>
/// <param name="RotaryDimension">R; 0 is all D.</param>
/// <param name="Interleaved">Pairs are neighbours.</param>
internal sealed record RotarySpec(RotarySizes Sizes, int RotaryDimension, bool Interleaved)
{
    /// <summary>Where the positions come from.</summary>
    public RotaryPositions Positions { get; init; }

    /// <summary>Input and output are [B, S, H, D], the input in rows of that many elements more.
    /// </summary>
    public int? RowGap { get; init; }

    /// <summary>The output is the input.</summary>
    public bool InPlace { get; init; }

    /// <summary>Belongs to the quick subset.</summary>
    public bool Quick { get; init; }

    public int Half => (RotaryDimension == 0 ? Sizes.HeadDimension : RotaryDimension) / 2;

    public int MaxPositions => Positions switch
    {
        RotaryPositions.Gathered => 0,
        RotaryPositions.Offset => Sizes.Length + 7,
        _ => 29,
    };

    public AttentionStrides InputStrides => RowGap is { } gap
        ? AttentionStrides.SequenceMajor(Sizes.Heads, Sizes.Length, Sizes.HeadDimension,
            ((long)Sizes.Heads * Sizes.HeadDimension) + gap)
        : default;

    public AttentionStrides OutputStrides => RowGap is null || InPlace ? InputStrides
        : AttentionStrides.SequenceMajor(Sizes.Heads, Sizes.Length, Sizes.HeadDimension);

    public string Name => FormattableString.Invariant(
        $"[{Sizes.Batch}, {Sizes.Heads}, {Sizes.Length}, {Sizes.HeadDimension}]") +
        (RotaryDimension == 0 ? "" : FormattableString.Invariant($" of it {RotaryDimension}")) +
        (Interleaved ? " neighbours" : " halves") +
        (Positions == RotaryPositions.Ids ? "" : $" {Positions}") +
        (RowGap is { } gap ? FormattableString.Invariant($" sequence-major gap {gap}") : "") +
        (InPlace ? " in place" : "");
}

/// <summary>Where the positions of a case come from.</summary>
internal enum RotaryPositions
{
    /// <summary>Ids [B, S].</summary>
    Ids,

    /// <summary>An offset.</summary>
    Offset,

    /// <summary>The tables hold one row a token.</summary>
    Gathered,
}

/// <summary>Cases of <see cref="RotaryEmbeddingForward"/> and
/// <see cref="RotaryEmbeddingBackward"/>.</summary>
internal static class RotaryEmbeddingCases
{
    // Two products, each of a rounded factor, and their sum: three roundings an element.
    private static readonly Tolerance Bound = Tolerance.Elementwise(3);

    public static IEnumerable<ParityCase> All()
    {
        foreach (RotarySpec spec in Specs())
        {
            yield return new ParityCase<RotaryEmbeddingForward>(
                spec.Name, Bound, m => Forward(m, spec), spec.Quick);
            yield return new ParityCase<RotaryEmbeddingBackward>(
                spec.Name, Bound, m => Backward(m, spec), spec.Quick);
        }
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        int dimension = size.Width / size.Heads;
        double elements = (double)size.Rows * size.Width;
        RotarySpec spec = new(new(size.Batch, size.Heads, size.Length, dimension), 0, false)
        {
            Positions = RotaryPositions.Offset,
            RowGap = 0,
        };

        // Each element: two products and a sum. Tables are read once, each row by all its heads.
        BenchWork work = new(3 * elements, (8 * elements) + (4.0 * size.Length * dimension));
        yield return new BenchCase<RotaryEmbeddingForward>(
            spec.Name, work, m => Forward(m, spec));
        yield return new BenchCase<RotaryEmbeddingBackward>(
            spec.Name, work, m => Backward(m, spec));
    }

    internal static RotaryEmbeddingForward Forward(CaseMemory memory, RotarySpec spec)
    {
        (BufferView source, BufferView target) = Buffers(
            memory, spec, "input", spec.InputStrides, "output", spec.OutputStrides);
        return new() { Inputs = Inputs(memory, spec), Input = source, Output = target };
    }

    internal static RotaryEmbeddingBackward Backward(CaseMemory memory, RotarySpec spec)
    {
        (BufferView source, BufferView target) = Buffers(memory, spec, "outputGradient",
            spec.OutputStrides, "inputGradient", spec.InputStrides);
        return new()
        {
            Inputs = Inputs(memory, spec), OutputGradient = source, InputGradient = target,
        };
    }

    /// <summary>Tables of some angles; the very ones of a model matter to nobody here.</summary>
    internal static RotaryTables Tables(
        CaseMemory memory, int rows, int maxPositions, int rotaryDimension, int half,
        bool interleaved)
    {
        double[] angles = memory.Normal("angles", (long)rows * half, deviation: 3);
        return new()
        {
            Cosines = memory.Statistic("cosines", [.. angles.Select(Math.Cos)]),
            Sines = memory.Statistic("sines", [.. angles.Select(Math.Sin)]),
            MaxPositions = maxPositions,
            RotaryDimension = rotaryDimension,
            Interleaved = interleaved,
        };
    }

    private static IEnumerable<RotarySpec> Specs()
    {
        foreach (bool interleaved in (bool[])[false, true])
        {
            yield return new(new(2, 3, 5, 16), 0, interleaved) { Quick = true };
            foreach (int dimension in (int[])[2, 6, 30, 32, 34, 62, 64, 66, 80, 128, 194, 256])
                yield return new(new(1, 2, 3, dimension), 0, interleaved);
            yield return new(new(2, 3, 5, 41), 22, interleaved) { Quick = true };
            yield return new(new(2, 2, 7, 64), 32, interleaved)
            {
                Positions = RotaryPositions.Offset, RowGap = 0, Quick = true,
            };
            yield return new(new(2, 2, 7, 20), 12, interleaved)
            {
                Positions = RotaryPositions.Offset, RowGap = 9,
            };
            yield return new(new(2, 3, 5, 36), 0, interleaved)
            {
                Positions = RotaryPositions.Gathered, InPlace = true, Quick = true,
            };
            yield return new(new(2, 3, 5, 19), 14, interleaved) { RowGap = 5, InPlace = true };
            yield return new(new(1, 7, 97, 64), 0, interleaved)
            {
                Positions = RotaryPositions.Offset,
            };
            yield return new(new(0, 2, 3, 8), 0, interleaved);
            yield return new(new(2, 2, 0, 8), 0, interleaved)
            {
                Positions = RotaryPositions.Gathered,
            };
        }
    }

    private static RotaryInputs Inputs(CaseMemory memory, RotarySpec spec)
    {
        int tokens = spec.Sizes.Batch * spec.Sizes.Length;
        return new()
        {
            Tables = Tables(memory, spec.MaxPositions == 0 ? tokens : spec.MaxPositions,
                spec.MaxPositions, spec.RotaryDimension, spec.Half, spec.Interleaved),
            PositionIds = spec.Positions == RotaryPositions.Ids
                ? memory.Input(
                    "positionIds", memory.Integers("positionIds", tokens, spec.MaxPositions))
                : default,
            PositionOffset = spec.Positions == RotaryPositions.Offset ? 4 : 0,
            Sizes = spec.Sizes,
            InputStrides = spec.InputStrides,
            OutputStrides = spec.OutputStrides,
        };
    }

    private static (BufferView Source, BufferView Target) Buffers(
        CaseMemory memory, RotarySpec spec, string source, AttentionStrides from, string target,
        AttentionStrides to)
    {
        long read = Extent(spec.Sizes, from), written = Extent(spec.Sizes, to);
        if (!spec.InPlace)
        {
            bool[] owned = Owned(spec.Sizes, to, written);
            return (memory.Input(source, read),
                memory.Output(target, written, new() { IsGap = index => !owned[index] }));
        }

        BufferView both = memory.Updated(target, read);
        return (both, both);
    }

    private static bool[] Owned(RotarySizes s, AttentionStrides strides, long extent)
    {
        bool[] owned = new bool[extent];
        AttentionStrides a = Effective(s, strides);
        for (int b = 0; b < s.Batch; b++)
        for (int h = 0; h < s.Heads; h++)
        for (int i = 0; i < s.Length; i++)
        {
            long at = (b * a.Batch) + (h * a.Head) + (i * a.Sequence);
            owned.AsSpan((int)at, s.HeadDimension).Fill(true);
        }

        return owned;
    }

    private static AttentionStrides Effective(RotarySizes s, AttentionStrides strides) =>
        strides != default ? strides
            : AttentionStrides.HeadMajor(s.Heads, s.Length, s.HeadDimension);

    private static long Extent(RotarySizes s, AttentionStrides strides)
    {
        if (s.Batch == 0 || s.Length == 0) return 0;
        AttentionStrides a = Effective(s, strides);
        return ((s.Batch - 1) * a.Batch) + ((s.Heads - 1) * a.Head) +
            ((s.Length - 1) * a.Sequence) + s.HeadDimension;
    }
}
