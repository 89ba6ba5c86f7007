using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>The inputs of an attention call in double, and one row of its scores at a time.
/// </summary>
/// <remarks>Query, key and value are gathered into dense [B, heads, S, D]; rows that no sequence
/// has stay 0.</remarks>
internal sealed unsafe class AttentionReferenceProblem
{
    private readonly AttentionInputs inputs;
    private readonly AttentionSizes sizes;
    private readonly AttentionOptions options;
    private readonly AttentionSequences sequences;
    private readonly ulong dropoutKey;

    public AttentionReferenceProblem(
        in AttentionInputs inputs, bool writesKeys, bool writesScores = false)
    {
        this.inputs = inputs;
        options = inputs.Options;
        sequences = new(inputs, writesKeys);
        sizes = writesScores ? inputs.Sizes : sequences.Shortened();
        Scale = options.EffectiveScale(sizes.HeadDimension);
        if (options.DropoutProbability > 0) dropoutKey = AttentionDropout.Key(inputs);
        Query = GatherQueries(inputs.Query, inputs.EffectiveQueryStrides, sizes.HeadDimension);
        Key = GatherKeys(inputs.Key, inputs.EffectiveKeyStrides, sizes.HeadDimension);
        Value = GatherKeys(inputs.Value, inputs.EffectiveValueStrides, sizes.ValueDimension);
    }

    /// <summary>Why the dense copies in double cannot be made; null where they can.</summary>
    public static string? TooLarge(AttentionSizes s)
    {
        int width = Math.Max(s.HeadDimension, s.ValueDimension);
        long queries = OpCheck.Count(s.Batch, s.QueryHeads, s.QueryLength, width);
        long keys = OpCheck.Count(s.Batch, s.KeyValueHeads, s.KeyLength, width);
        return Math.Max(queries, keys) <= Array.MaxLength ? null
            : $"copies tensors to arrays of at most {Array.MaxLength} elements; " +
                $"{Math.Max(queries, keys)} are needed";
    }

    /// <summary>[B, Hq, Sq, D].</summary>
    public double[] Query { get; }

    /// <summary>[B, Hkv, Skv, D].</summary>
    public double[] Key { get; }

    /// <summary>[B, Hkv, Skv, Dv].</summary>
    public double[] Value { get; }

    public double Scale { get; }

    /// <summary>The call's; unless scores are written, with the lengths that sequences have.
    /// </summary>
    public AttentionSizes Sizes => sizes;

    public int ValueDimension => sizes.ValueDimension;

    public AttentionSequences Sequences => sequences;

    /// <summary>Row of query i of head h in [B, Hq, Sq].</summary>
    public int QueryRow(int b, int h, int i) =>
        (((b * sizes.QueryHeads) + h) * sizes.QueryLength) + i;

    /// <summary>Row in [B, Hkv, Skv] of the key j that query head h reads.</summary>
    public int KeyRow(int b, int h, int j) => (((b * sizes.KeyValueHeads) +
        (h / (sizes.QueryHeads / sizes.KeyValueHeads))) * sizes.KeyLength) + j;

    /// <summary>Index of the bias (b, h, i, 0).</summary>
    public long BiasAt(int b, int h, int i) => At(inputs.BiasLayout, b, h, i);

    /// <summary>Dense [B, Hq, Sq, dimension] of a tensor that lies as the query does.</summary>
    public double[] GatherQueries(BufferView view, AttentionStrides strides, int dimension)
    {
        double[] dense = new double[OpCheck.Count(
            sizes.Batch, sizes.QueryHeads, sizes.QueryLength, dimension)];
        EachQuery(strides, (row, at) => Copy(view, at, dense, row * dimension, dimension));
        return dense;
    }

    /// <summary>Writes [B, Hq, Sq, dimension] to where the queries lie.</summary>
    public void ScatterQueries(
        double[] dense, BufferView view, AttentionStrides strides, int dimension) =>
        EachQuery(strides, (row, at) => Write(dense, row * dimension, view, at, dimension));

    /// <summary>Writes [B, Hkv, Skv, dimension] to where the keys lie.</summary>
    public void ScatterKeys(
        double[] dense, BufferView view, AttentionStrides strides, int dimension) =>
        EachKey(strides, (row, at) => Write(dense, row * dimension, view, at, dimension));

    /// <summary>scale · q·k for every key, hidden ones included; 0 where the sequence has none.
    /// </summary>
    public void RawScores(int b, int h, int i, double[] scores)
    {
        int query = QueryRow(b, h, i) * sizes.HeadDimension;
        for (int j = 0; j < sizes.KeyLength; j++)
        {
            int key = KeyRow(b, h, j) * sizes.HeadDimension;
            double sum = 0;
            for (int d = 0; d < sizes.HeadDimension; d++) sum += Query[query + d] * Key[key + d];
            scores[j] = Scale * sum;
        }
    }

    /// <summary>s ← c·tanh(s/c), where there is a cap.</summary>
    public void Cap(double[] scores)
    {
        if (options.SoftCap == 0) return;
        for (int j = 0; j < sizes.KeyLength; j++)
        {
            scores[j] = options.SoftCap * Math.Tanh(scores[j] / options.SoftCap);
        }
    }

    /// <summary>ds/d(raw score) of a capped score: 1 − tanh², 1 without a cap, times the score
    /// modifier's derivative.</summary>
    public double Derivative(double capped, int b, int h, int i, int j)
    {
        double modifier = inputs.Score?.Derivative((float)capped, b, h, i, j) ?? 1;
        if (options.SoftCap == 0) return modifier;
        double tanh = capped / options.SoftCap;
        return (1 - (tanh * tanh)) * modifier;
    }

    /// <summary>Applies the score modifier, adds bias and position terms, and sets −∞ where a key
    /// is hidden.</summary>
    public void Mask(int b, int h, int i, double[] scores)
    {
        for (int j = 0; j < sizes.KeyLength; j++)
        {
            // Selected, never computed: a hidden key's score may be NaN.
            if (!IsVisible(b, h, i, j))
            {
                scores[j] = double.NegativeInfinity;
                continue;
            }

            // User code computes in binary32.
            if (inputs.Score is { } score) scores[j] = score.Apply((float)scores[j], b, h, i, j);
            if (inputs.Bias.IsPresent) scores[j] += Bias(b, h, i, j);
            scores[j] += PositionTerms(b, h, i, j);
        }
    }

    /// <summary>Turns scores into weights; a row of −∞ gives zeros.</summary>
    /// <returns>The log-sum-exp of the scores and the head's sink.</returns>
    public double Softmax(int h, double[] scores)
    {
        double max = double.NegativeInfinity;
        for (int j = 0; j < sizes.KeyLength; j++) max = Math.Max(max, scores[j]);
        if (double.IsNegativeInfinity(max))
        {
            Array.Clear(scores);
            return max;
        }

        double sink = inputs.Sinks.IsPresent
            ? ReferenceBuffers.Get(inputs.Sinks, h) : double.NegativeInfinity;
        max = Math.Max(max, sink);
        double sum = Math.Exp(sink - max);
        for (int j = 0; j < sizes.KeyLength; j++)
        {
            scores[j] = double.IsNegativeInfinity(scores[j]) ? 0 : Math.Exp(scores[j] - max);
            sum += scores[j];
        }

        for (int j = 0; j < sizes.KeyLength; j++)
        {
            // A hidden key's weight stays 0 even where the sum is NaN.
            if (scores[j] != 0) scores[j] /= sum;
        }

        return max + Math.Log(sum);
    }

    /// <summary>What dropout multiplies a weight by: 0 or 1/(1 − p); 1 without dropout.</summary>
    public double Keep(int b, int h, int i, int j)
    {
        if (options.DropoutProbability == 0) return 1;
        uint head = (uint)((b * sizes.QueryHeads) + h);
        uint word = AttentionDropout.Word(dropoutKey, head, i, j);
        return Philox.ToUnit(word) < (float)options.DropoutProbability
            ? 0 : 1 / (1 - options.DropoutProbability);
    }

    /// <summary>Row of the relative bias table that the pair reads.</summary>
    public int Bucket(int b, int i, int j) =>
        options.RelativeBuckets!.Value.Bucket(j - sequences.Position(b, i));

    private bool IsVisible(int b, int h, int i, int j)
    {
        sequences.VisibleKeys(b, i, out int first, out int end);
        if (j < first || j >= end) return false;
        if (inputs.Mask.IsPresent &&
            !inputs.Mask.Pointer<bool>()[At(inputs.MaskLayout, b, h, i) + j])
        {
            return false;
        }

        if (inputs.BlockMask.IsPresent && !BlockIsVisible(h, i, j)) return false;
        if (inputs.Bias.IsPresent && double.IsNegativeInfinity(Bias(b, h, i, j))) return false;
        return inputs.Score?.IsVisible(b, h, i, j) ?? true;
    }

    private bool BlockIsVisible(int h, int i, int j)
    {
        AttentionBlockSize size = inputs.BlockSize;
        int rows = ((inputs.Sizes.QueryLength - 1) / size.QueryBlock) + 1;
        int columns = ((inputs.Sizes.KeyLength - 1) / size.KeyBlock) + 1;
        int row = ((size.PerHead ? h : 0) * rows) + (i / size.QueryBlock);
        return inputs.BlockMask.Pointer<bool>()[((long)row * columns) + (j / size.KeyBlock)];
    }

    private double PositionTerms(int b, int h, int i, int j)
    {
        double sum = 0;
        if (inputs.AlibiSlopes.IsPresent)
        {
            sum -= ReferenceBuffers.Get(inputs.AlibiSlopes, h) *
                Math.Abs(sequences.Position(b, i) - j);
        }

        if (options.RelativeBuckets is not null)
        {
            sum += ReferenceBuffers.Get(
                inputs.RelativeBias, ((long)Bucket(b, i, j) * sizes.QueryHeads) + h);
        }

        return sum;
    }

    private double Bias(int b, int h, int i, int j) =>
        ReferenceBuffers.Get(inputs.Bias, BiasAt(b, h, i) + j);

    private void EachQuery(AttentionStrides strides, Action<int, long> visit)
    {
        for (int b = 0; b < sizes.Batch; b++)
        {
            int queries = sequences.Queries(b);
            for (int h = 0; queries > 0 && h < sizes.QueryHeads; h++)
            for (int i = 0; i < queries; i++)
            {
                (long outer, long row) = sequences.QueryAt(b, i);
                visit(QueryRow(b, h, i), At(strides, outer, h, row));
            }
        }
    }

    private void EachKey(AttentionStrides strides, Action<int, long> visit)
    {
        for (int b = 0; b < sizes.Batch; b++)
        for (int h = 0; h < sizes.KeyValueHeads; h++)
        for (int j = 0; j < sequences.StoredKeys(b); j++)
        {
            (long outer, long row) = sequences.KeyAt(b, j);
            int dense = (((b * sizes.KeyValueHeads) + h) * sizes.KeyLength) + j;
            visit(dense, At(strides, outer, h, row));
        }
    }

    private double[] GatherKeys(BufferView view, AttentionStrides strides, int dimension)
    {
        double[] dense = new double[OpCheck.Count(
            sizes.Batch, sizes.KeyValueHeads, sizes.KeyLength, dimension)];
        EachKey(strides, (row, at) => Copy(view, at, dense, row * dimension, dimension));
        return dense;
    }

    private static void Copy(BufferView view, long at, double[] dense, int index, int count)
    {
        for (int d = 0; d < count; d++) dense[index + d] = ReferenceBuffers.Get(view, at + d);
    }

    private static void Write(double[] dense, int index, BufferView view, long at, int count)
    {
        for (int d = 0; d < count; d++) ReferenceBuffers.Set(view, at + d, dense[index + d]);
    }

    private static long At(AttentionStrides strides, long outer, int head, long row) =>
        (outer * strides.Batch) + (head * strides.Head) + (row * strides.Sequence);

    private static long At(AttentionMaskLayout layout, int b, int h, int i) =>
        (b * layout.Batch) + (h * layout.Head) + (i * layout.Query);
}
