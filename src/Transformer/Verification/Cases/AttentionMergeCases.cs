using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="AttentionMergeForward"/>.</summary>
internal static class AttentionMergeCases
{
    public static IEnumerable<ParityCase> All()
    {
        foreach ((int parts, int rows, int dimension) in new[]
        {
            (1, 3, 16), (2, 1, 1), (2, 17, 64), (3, 33, 59), (7, 5, 256), (2, 4, 257), (5, 0, 8),
            (9, 16, 111),
        })
        {
            yield return Case(parts, rows, dimension, hiddenParts: false, inPlace: false);
        }

        yield return Case(4, 19, 40, hiddenParts: true, inPlace: false);
        yield return Case(3, 18, 24, hiddenParts: true, inPlace: true);
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        const int parts = 8;
        int rows = size.Batch * size.Heads;
        int dimension = size.Width / size.Heads;
        yield return new BenchCase<AttentionMergeForward>(
            FormattableString.Invariant($"[{parts}, {rows}, {dimension}]"),
            new(2.0 * parts * rows * dimension, 4.0 * rows * dimension * (parts + 1)),
            m => Build(m, parts, rows, dimension, hiddenParts: false, inPlace: false));
    }

    private static ParityCase<AttentionMergeForward> Case(
        int parts, int rows, int dimension, bool hiddenParts, bool inPlace)
    {
        string name = FormattableString.Invariant($"[{parts}, {rows}, {dimension}]") +
            (hiddenParts ? " with parts that saw no key" : "") + (inPlace ? " in place" : "");
        // One weight, a product and a sum a part.
        return new(name, Tolerance.Sum(parts, chained: 2),
            m => Build(m, parts, rows, dimension, hiddenParts, inPlace),
            quick: rows is 17 or 19 or 18);
    }

    private static AttentionMergeForward Build(
        CaseMemory memory, int parts, int rows, int dimension, bool hiddenParts, bool inPlace)
    {
        double[] outputs = memory.Normal("outputs", parts * rows * dimension);
        double[] logSumExps = memory.Normal("logSumExps", parts * rows);
        for (int i = 0; i < logSumExps.Length; i++)
        {
            logSumExps[i] = 5 * logSumExps[i];
            // Row 1 saw no key in any part, others in some.
            if (!hiddenParts || (i % rows != 1 && i % 3 != 0)) continue;
            logSumExps[i] = double.NegativeInfinity;
            if (!inPlace) outputs.AsSpan(i * dimension, dimension).Fill(double.NaN);
        }

        BufferView all = inPlace
            ? memory.Updated("outputs", outputs) : memory.Input("outputs", outputs);
        return new()
        {
            Outputs = all,
            LogSumExps = memory.Statistic("logSumExps", logSumExps),
            Output = inPlace ? all.Slice(0, (long)rows * dimension)
                : memory.Output("output", (long)rows * dimension),
            LogSumExp = memory.Output("logSumExp", rows, new() { Statistic = true }),
            Parts = parts,
            Rows = rows,
            Dimension = dimension,
        };
    }
}
