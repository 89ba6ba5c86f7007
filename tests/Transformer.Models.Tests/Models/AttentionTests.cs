using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Tests.Models;

/// <summary>The attention weights that models give out, against the formula written down.</summary>
public sealed class AttentionTests
{
    private const int Width = 16, Heads = 2, HeadWidth = Width / Heads;

    // Sums of 16 products in binary32 of values around 1.
    private const double Tolerance = 1e-5;

    [Fact]
    public void Gpt_AttendsAsTheFormulaSays()
    {
        using Gpt model = new(new()
        {
            Vocabulary = 11,
            Positions = 8,
            Layers = 2,
            Heads = Heads,
            Width = Width,
        }, BackendRegistry.Cpu, seed: 5);
        Spread(model.Parameters);
        int[] ids = [3, 1, 4, 1, 5];
        IReadOnlyList<AttentionMap> maps = model.Attention(ids);
        Assert.Equal(2, maps.Count);
        double[][] x = Embed(model.Parameters, ids);
        Check(maps[0], Attend(model.Parameters,
            Normalize(model.Parameters, "layers.0.attentionNorm", x, 1e-5), causal: true));

        // Rows of every layer are shares, and nobody sees what comes later.
        for (int query = 0; query < ids.Length; query++)
        {
            ReadOnlySpan<float> row = maps[1].Row(Heads - 1, query);
            Assert.Equal(1, row.ToArray().Sum(weight => (double)weight), Tolerance);
            Assert.Equal(0, row[(query + 1)..].ToArray().Sum(Math.Abs));
        }
    }

    [Fact]
    public void Bert_AttendsAsTheFormulaSays()
    {
        using Bert model = new(Config(), BackendRegistry.Cpu, seed: 6);
        CheckEncoder(model.Parameters, model.Attention);
    }

    [Fact]
    public void Classifier_AttendsAsTheFormulaSays()
    {
        using BertClassifier model = new(Config(), ["a", "b"], BackendRegistry.Cpu, seed: 7);
        CheckEncoder(model.Parameters, model.Attention);
    }

    [Fact]
    public void TextsThatDoNotFit_AreRefused()
    {
        using Gpt gpt = new(
            new() { Vocabulary = 5, Positions = 4, Layers = 1, Heads = 1, Width = 8 },
            BackendRegistry.Cpu, seed: 1);
        Assert.Contains("'length' is 5; the model has 4 positions", Assert.Throws<
            ArgumentException>(() => gpt.Attention([1, 1, 1, 1, 1])).Message);
        Assert.Contains("'length' is 0", Assert.Throws<ArgumentException>(
            () => gpt.Attention([])).Message);
        using Bert bert = new(Config(), BackendRegistry.Cpu, seed: 1);
        Assert.Contains("'length' is 9; the model has 8 positions", Assert.Throws<
            ArgumentException>(() => bert.Attention(new int[9], new int[9])).Message);
        using BertClassifier classes = new(Config(), ["a", "b"], BackendRegistry.Cpu, seed: 1);
        Assert.Contains("'length' is 9; the model has 8 positions", Assert.Throws<
            ArgumentException>(() => classes.Attention(new int[9], new int[9])).Message);
    }

    private static BertConfig Config() => new()
    {
        Vocabulary = 11,
        Positions = 8,
        Layers = 2,
        Heads = Heads,
        Width = Width,
        Epsilon = 1e-6,
    };

    private static void CheckEncoder(
        ParameterSet parameters, Func<int[], int[], IReadOnlyList<AttentionMap>> attention)
    {
        Spread(parameters);
        int[] ids = [2, 7, 3, 8, 3], segments = [0, 0, 0, 1, 1];
        IReadOnlyList<AttentionMap> maps = attention(ids, segments);
        Assert.Equal(2, maps.Count);
        double[][] x = Embed(parameters, ids);
        float[] kinds = Values(parameters, "embeddings.segments.weight");
        for (int i = 0; i < ids.Length; i++)
        {
            for (int d = 0; d < Width; d++) x[i][d] += kinds[(segments[i] * Width) + d];
        }

        Check(maps[0], Attend(parameters,
            Normalize(parameters, "embeddings.norm", x, 1e-6), causal: false));
    }

    /// <summary>Initial weights are so small that all would attend alike.</summary>
    private static void Spread(ParameterSet parameters)
    {
        foreach (Parameter parameter in parameters.All)
        {
            float[] values = Values(parameters, parameter.Name);
            for (int i = 0; i < values.Length; i++)
                values[i] = (parameter.Shape.Rank == 1 ? values[i] : 20 * values[i])
                    + (0.1f * MathF.Sin(i + 1));
            parameter.CopyFrom(values);
        }
    }

    private static float[] Values(ParameterSet parameters, string name)
    {
        float[] values = new float[parameters[name].Shape.ElementCount];
        parameters[name].CopyTo(values);
        return values;
    }

    private static double[][] Embed(ParameterSet parameters, int[] ids)
    {
        float[] tokens = Values(parameters, "embeddings.tokens.weight");
        float[] positions = Values(parameters, "embeddings.positions.weight");
        return [.. ids.Select((id, i) => Enumerable.Range(0, Width).Select(d =>
            (double)tokens[(id * Width) + d] + positions[(i * Width) + d]).ToArray())];
    }

    private static double[][] Normalize(
        ParameterSet parameters, string name, double[][] x, double epsilon)
    {
        float[] scale = Values(parameters, $"{name}.weight");
        float[] bias = Values(parameters, $"{name}.bias");
        return [.. x.Select(row =>
        {
            double mean = row.Average();
            double variance = row.Average(value => (value - mean) * (value - mean));
            return row.Select((value, d) =>
                ((value - mean) / Math.Sqrt(variance + epsilon) * scale[d]) + bias[d]).ToArray();
        })];
    }

    /// <summary>softmax(q·kᵀ/√d) [H][Sq][Skv].</summary>
    private static double[][][] Attend(ParameterSet parameters, double[][] x, bool causal)
    {
        double[][] q = Project(parameters, "query", x), k = Project(parameters, "key", x);
        return [.. Enumerable.Range(0, Heads).Select(head => q.Select((query, i) =>
        {
            double[] weights = [.. k.Select((key, j) => causal && j > i ? 0 : Math.Exp(
                Enumerable.Range(head * HeadWidth, HeadWidth).Sum(d => query[d] * key[d])
                    / Math.Sqrt(HeadWidth)))];
            double sum = weights.Sum();
            return weights.Select(weight => weight / sum).ToArray();
        }).ToArray())];
    }

    private static double[][] Project(ParameterSet parameters, string part, double[][] x)
    {
        float[] weight = Values(parameters, $"layers.0.attention.{part}.weight");
        float[] bias = Values(parameters, $"layers.0.attention.{part}.bias");
        return [.. x.Select(row => Enumerable.Range(0, Width).Select(o =>
            bias[o] + row.Select((value, d) => value * weight[(o * Width) + d]).Sum()).ToArray())];
    }

    private static void Check(AttentionMap map, double[][][] expected)
    {
        Assert.Equal((Heads, expected[0].Length), (map.Heads, map.Queries));
        double spread = 0;
        for (int head = 0; head < Heads; head++)
        {
            for (int query = 0; query < map.Queries; query++)
            {
                double[] row = expected[head][query];
                spread = Math.Max(spread, row.Max());
                for (int key = 0; key < map.Keys; key++)
                    Assert.Equal(row[key], map.Row(head, query)[key], Tolerance);
            }
        }

        // The weights say something: some token is preferred in some row.
        Assert.True(spread > 0.3, $"largest weight {spread}");
    }
}
