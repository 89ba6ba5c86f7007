using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>Shapes at which the row kernels choose another way, beside those of the case table.
/// </summary>
internal static class RowCases
{
    private const int Vocabulary = 50257;

    private static readonly DType[] Types = [DType.Float32, DType.Float16, DType.BFloat16];

    public static IEnumerable<ParityCase> All() =>
        [.. Norms(), .. Losses(), .. Embeddings(), .. Softmaxes(), .. Largest()];

    // A warp holds rows of 1024 elements, a block rows of 8192; wider ones are read again.
    private static IEnumerable<ParityCase> Norms()
    {
        foreach (DType type in Types)
        foreach (int width in (int[])[1024, 1032, 2560, 8192, 9000])
        {
            yield return Case<LayerNormForward>(
                $"rows of {width}", width, 2, type, m => LayerNorm(m, width));
            yield return Case<LayerNormBackward>(
                $"rows of {width}", width, 2, type, m => LayerNormGradient(m, width));
            yield return Case<RmsNormBackward>(
                $"rows of {width}", width, 2, type, m => RmsNormGradient(m, width));
        }
    }

    private static IEnumerable<ParityCase> Losses()
    {
        foreach (DType type in Types)
        {
            yield return Case<SoftmaxCrossEntropyForward>(
                "vocabulary", Vocabulary, 1, type, m => Loss(m, 0));
            yield return Case<SoftmaxCrossEntropyBackward>(
                "vocabulary", 64, 1, type, LossGradient);
        }

        // Only differences count: 1000 in all logits must not take the smoothed loss's digits.
        yield return Case<SoftmaxCrossEntropyForward>(
            "large mean", Vocabulary, 1, DType.Float32, m => Loss(m, 1000));
    }

    private static IEnumerable<ParityCase> Embeddings()
    {
        foreach (DType type in Types)
        foreach ((int rows, int ids, int width) in
            ((int, int, int)[])[(64, 1, 8), (65, 1, 8), (700, 1, 40), (700, 3, 24), (700, 9, 13)])
        {
            yield return Case<EmbeddingBackward>(
                $"{rows} rows of {ids} ids", rows, 1, type, m => Gather(m, rows, ids, width));
        }
    }

    // Up to 4096 are sorted in shared memory, more in the device's.
    private static IEnumerable<ParityCase> Largest()
    {
        foreach (DType type in Types)
        foreach (int count in (int[])[4096, 4097])
        {
            yield return new ParityCase<TopKForward>(
                $"{count} of a row", Tolerance.Exact, m => Largest(m, 5000, count), dtype: type);
        }
    }

    private static IEnumerable<ParityCase> Softmaxes()
    {
        foreach (DType type in Types)
        {
            yield return Case<SoftmaxForward>("long rows", 5003, 1, type, m => new()
            {
                Input = m.Input("input", 3 * 5003),
                Output = m.Output("output", 3 * 5003),
                Outer = 3,
                Length = 5003,
                Inner = 1,
            });
        }
    }

    private static ParityCase<TCall> Case<TCall>(
        string name, int length, int chained, DType type, Func<CaseMemory, TCall> build)
        where TCall : struct, Backends.IOpCall
    {
        Tolerance tolerance = Tolerance.Sum(length, chained);
        if (type == DType.Float16) tolerance = tolerance.Plus(1.0 / 2048, "stored in 11 bits");
        if (type == DType.BFloat16) tolerance = tolerance.Plus(1.0 / 256, "stored in 8 bits");
        return new(name, tolerance, build, dtype: type);
    }

    private static TopKForward Largest(CaseMemory m, int length, int count) => new()
    {
        Input = m.Input("input", 2L * length),
        Values = m.Output("values", 2L * count),
        Indices = m.OutputIntegers("indices", 2L * count),
        Rows = 2,
        Length = length,
        Count = count,
    };

    private static LayerNormForward LayerNorm(CaseMemory m, int width) => new()
    {
        Input = m.Input("input", 5L * width),
        Weight = m.Input("weight", width),
        Bias = m.Input("bias", width),
        Output = m.Output("output", 5L * width),
        Mean = m.Output("mean", 5, new() { Statistic = true }),
        InverseStd = m.Output("inverseStd", 5, new() { Statistic = true }),
        Rows = 5,
        Width = width,
    };

    private static LayerNormBackward LayerNormGradient(CaseMemory m, int width)
    {
        IReadOnlyDictionary<string, double[]> forward =
            m.Prepare("forward", memory => LayerNorm(memory, width));
        return new()
        {
            Sum = m.Input("input", 5L * width),
            Weight = m.Input("weight", width),
            Mean = m.Statistic("mean", forward["mean"]),
            InverseStd = m.Statistic("inverseStd", forward["inverseStd"]),
            OutputGradient = m.Input("outputGradient", 5L * width),
            SumGradient = m.Input("sumGradient", 5L * width),
            InputGradient = m.Output("inputGradient", 5L * width),
            WeightGradient = m.Updated("weightGradient", width),
            BiasGradient = m.Updated("biasGradient", width),
            Rows = 5,
            Width = width,
        };
    }

    private static RmsNormBackward RmsNormGradient(CaseMemory m, int width) => new()
    {
        Sum = m.Input("input", 20L * width),
        InverseRms = m.Statistic("inverseRms", Enumerable.Repeat(0.9, 20).ToArray()),
        OutputGradient = m.Input("outputGradient", 20L * width),
        InputGradient = m.Output("inputGradient", 20L * width),
        WeightGradient = m.Updated("weightGradient", width),
        Rows = 20,
        Width = width,
    };

    private static SoftmaxCrossEntropyForward Loss(CaseMemory m, double mean)
    {
        OutputRule statistic = new() { Statistic = true };
        return new()
        {
            Logits = m.Input("logits", m.Normal("logits", 3 * Vocabulary, mean)),
            Labels = m.Input("labels", [7, -1, Vocabulary - 1]),
            RowLosses = m.Output("rowLosses", 3, statistic),
            LogSumExp = m.Output("logSumExp", 3, statistic),
            Loss = m.Output("loss", 1, statistic),
            Rows = 3,
            Classes = Vocabulary,
            IgnoreIndex = -1,
            LabelSmoothing = 0.125,
        };
    }

    private static SoftmaxCrossEntropyBackward LossGradient(CaseMemory m)
    {
        double[] logSumExp = m.Prepare("forward", memory => Loss(memory, 0))["logSumExp"];
        OutputRule rule = new() { Floor = 1 / Math.Sqrt(Vocabulary) };
        return new()
        {
            Logits = m.Input("logits", 3L * Vocabulary),
            Labels = m.Input("labels", [7, -1, Vocabulary - 1]),
            LogSumExp = m.Statistic("logSumExp", logSumExp),
            LogitsGradient = m.Output("logitsGradient", 3L * Vocabulary, rule),
            Rows = 3,
            Classes = Vocabulary,
            IgnoreIndex = -1,
            LabelSmoothing = 0.125,
        };
    }

    private static EmbeddingBackward Gather(CaseMemory m, int rows, int ids, int width) => new()
    {
        Ids = m.Input("ids", m.Integers("ids", rows, ids)),
        OutputGradient = m.Input("outputGradient", (long)rows * width),
        TableGradient = m.Updated("tableGradient", (long)(ids + 2) * width),
        Rows = rows,
        SequenceLength = rows,
        Width = width,
    };
}
