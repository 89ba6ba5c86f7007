using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Transformer.Layers;
using Transformer.Ops;
using Transformer.Samples;
using Transformer.Verification;
using Attention = Transformer.Ops.FusedAttention;

namespace Transformer.Benchmarks.FusedAttention;

/// <summary>
/// What options of attention cost beside each other: each pair of calls in turns in one run, as the
/// median of the ratios of neighbouring runs; and the memory of a long sequence.
/// </summary>
internal static class AttentionCosts
{
    private const int Heads = 12;
    private const int Rounds = 9;

    /// <summary>Measures and writes <paramref name="file"/>.</summary>
    public static int Run(string file)
    {
        // First, while the process has used no more memory than its runtime needs.
        Memory memory = MeasureMemory(32768);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{memory.Shape}: operands {memory.OperandMiB:F0} MiB, peak forward " +
            $"{memory.ForwardMiB:F0} MiB, gradients {memory.GradientMiB:F0} MiB, peak forward " +
            $"and backward {memory.BackwardMiB:F0} MiB"));
        List<Ratio> ratios = [];
        foreach (Ratio ratio in Ratios())
        {
            ratios.Add(ratio);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{ratio.Name}: {ratio.Milliseconds:F2} ms / {ratio.OverMilliseconds:F2} ms, " +
                $"ratio {ratio.Value:F3} ({ratio.Low:F3} to {ratio.High:F3})"));
        }

        Write(file, memory, ratios);
        return 0;
    }

    private static IEnumerable<Ratio> Ratios()
    {
        AttentionOptions causal = new() { Causal = CausalAlignment.TopLeft };
        Operands s4096 = new(4096);
        yield return Compare("causal over full, S 4096, forward",
            () => s4096.Forward(default, causal), () => s4096.Forward(default, default));
        // Backward takes output and sums of one forward call for both: only its time counts.
        s4096.Forward(default, default);
        yield return Compare("causal over full, S 4096, backward",
            () => s4096.Backward(causal), () => s4096.Backward(default));

        Operands s2048 = new(2048);
        float[] slopes = new float[Heads];
        AlibiSlopes.Fill(slopes);
        foreach (bool isCausal in new[] { false, true })
        {
            AttentionOptions options = isCausal ? causal : default;
            string shape = $"S 2048{(isCausal ? ", causal" : "")}, forward";
            yield return Compare($"ALiBi over none, {shape}",
                () => s2048.Forward(slopes, options), () => s2048.Forward(default, options));
            yield return Compare($"ALiBi struct with vector form over built-in, {shape}",
                () => s2048.Forward(options, new AlibiModifier(slopes, 0)),
                () => s2048.Forward(slopes, options));
            yield return Compare($"ALiBi struct with scalar form over built-in, {shape}",
                () => s2048.Forward(options, new ScalarAlibiModifier(slopes)),
                () => s2048.Forward(slopes, options));
        }

        yield return Compare("soft cap struct over built-in, S 2048, forward",
            () => s2048.Forward(default, new SoftCapModifier(20)),
            () => s2048.Forward(default, new AttentionOptions { SoftCap = 20 }));

        Operands s16384 = new(16384);
        yield return Compare("window 256 over causal, S 16384, forward",
            () => s16384.Forward(default, causal with { Window = new(256, -1) }),
            () => s16384.Forward(default, causal)) with
        {
            VisibleTiles = VisibleTiles(16384, left: 256) / VisibleTiles(16384, left: 16384),
        };
        yield return Compare("a tenth of the blocks over all, S 16384, forward",
            () => s16384.ForwardBlocks(10), () => s16384.ForwardBlocks(1)) with
        {
            VisibleTiles = 0.1,
        };
        int[] offsets = [0, 300, 1500, 1564, 2588, 3100, 4096];
        double pairs = offsets.Zip(offsets.Skip(1), (a, b) => (double)(b - a) * (b - a)).Sum();
        yield return Compare("six packed sequences over one, S 4096, forward",
            () => s4096.ForwardPacked(offsets), () => s4096.Forward(default, default)) with
        {
            VisibleTiles = pairs / (4096.0 * 4096.0),
        };
    }

    /// <summary>Key tiles that rows of queries see in causal attention with a window.</summary>
    private static double VisibleTiles(int length, int left)
    {
        double tiles = 0;
        for (int row = 0; row < length; row += AttentionMultiply.Rows)
        {
            int last = Math.Min(row + AttentionMultiply.Rows, length) - 1;
            int first = Math.Max(0, row - left) / AttentionTile.Keys;
            tiles += (last / AttentionTile.Keys) - first + 1;
        }

        return tiles;
    }

    /// <summary>Neighbouring calls share the machine's mood: the ratio is taken round by round.
    /// </summary>
    private static Ratio Compare(string name, Action measured, Action over)
    {
        double[] times = new double[Rounds], overTimes = new double[Rounds];
        double[] ratios = new double[Rounds];
        measured();
        over();
        for (int round = 0; round < Rounds; round++)
        {
            times[round] = Time(measured);
            overTimes[round] = Time(over);
            ratios[round] = times[round] / overTimes[round];
        }

        Array.Sort(times);
        Array.Sort(overTimes);
        Array.Sort(ratios);
        return new(name, times[Rounds / 2], overTimes[Rounds / 2], ratios[Rounds / 2],
            ratios[Rounds / 4], ratios[Rounds - 1 - (Rounds / 4)]);
    }

    private static double Time(Action run)
    {
        long start = Stopwatch.GetTimestamp();
        run();
        return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
    }

    private static Memory MeasureMemory(int length)
    {
        long before = Peak();
        Operands operands = new(length);
        double size = 4.0 * sizeof(float) * Heads * length * Operands.Dimension;
        operands.Forward(default, default);
        long forward = Peak() - before;
        operands.Backward(default);
        long backward = Peak() - before;
        // Of dO, dQ, dK and dV.
        return new($"B 1, H {Heads}, S {length}, D {Operands.Dimension}", size / (1 << 20),
            forward / (double)(1 << 20), size / (1 << 20), backward / (double)(1 << 20));
    }

    private static long Peak()
    {
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }

    private static void Write(string file, Memory memory, List<Ratio> ratios)
    {
        MachineLimits limits = MachineLimits.Measure(TimeSpan.FromSeconds(2));
        using FileStream stream = File.Create(file);
        using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("command", "dotnet run -c Release --project " +
            "benchmarks/Transformer.Benchmarks -- --attention-costs FILE");
        json.WriteString(
            "date", DateTime.UtcNow.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture));
        BenchReport.WriteMachine(json, limits);
        json.WriteStartObject("memory");
        json.WriteString("shape", memory.Shape);
        json.WriteNumber("queryKeyValueOutputMiB", memory.OperandMiB);
        json.WriteNumber("peakForwardMiB", memory.ForwardMiB);
        json.WriteNumber("gradientsMiB", memory.GradientMiB);
        json.WriteNumber("peakForwardAndBackwardMiB", memory.BackwardMiB);
        json.WriteEndObject();
        json.WriteStartArray("ratios");
        foreach (Ratio ratio in ratios)
        {
            json.WriteStartObject();
            json.WriteString("name", ratio.Name);
            json.WriteNumber("ms", ratio.Milliseconds);
            json.WriteNumber("overMs", ratio.OverMilliseconds);
            json.WriteNumber("ratio", ratio.Value);
            json.WriteNumber("ratioLowerQuartile", ratio.Low);
            json.WriteNumber("ratioUpperQuartile", ratio.High);
            if (ratio.VisibleTiles is { } tiles) json.WriteNumber("visibleTiles", tiles);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private sealed record Ratio(
        string Name, double Milliseconds, double OverMilliseconds, double Value, double Low,
        double High)
    {
        /// <summary>Tiles that the first call sees over those that the second does, where its
        /// time should follow them.</summary>
        public double? VisibleTiles { get; init; }
    }

    private sealed record Memory(
        string Shape, double OperandMiB, double ForwardMiB, double GradientMiB,
        double BackwardMiB);

    private readonly struct ScalarAlibiModifier(float[] slopes) : IScoreModifier
    {
        static bool IScoreModifier.HidesKeys => false;

        public float Apply(float score, int batch, int head, int query, int key) =>
            score - (slopes[head] * Math.Abs(query - key));

        public bool IsVisible(int batch, int head, int query, int key) => true;
    }

    /// <summary>Random operands of one self-attention, 12 heads of 64.</summary>
    private sealed class Operands
    {
        public const int Dimension = 64;

        private readonly AttentionSizes sizes;
        private readonly float[] query;
        private readonly float[] key;
        private readonly float[] value;
        private readonly float[] output;
        private readonly float[] sums;
        private float[][]? gradients;

        public Operands(int length)
        {
            sizes = new(1, Heads, Heads, length, length, Dimension, Dimension);
            query = Random(1);
            key = Random(2);
            value = Random(3);
            output = new float[query.Length];
            sums = new float[Heads * length];
        }

        public void Forward(ReadOnlySpan<float> slopes, AttentionOptions options) =>
            Attention.Forward(query, key, value, new AttentionExtras { AlibiSlopes = slopes },
                sizes, options, output, sums);

        public void Forward<TScore>(AttentionOptions options, TScore score)
            where TScore : struct, IScoreModifier => Attention.Forward<float, TScore>(
                query, key, value, default, sizes, options, score, output, sums);

        /// <summary>Blocks of 128 by 128, one in <paramref name="every"/> visible.</summary>
        public void ForwardBlocks(int every)
        {
            int blocks = sizes.QueryLength / 128;
            bool[] mask = new bool[blocks * blocks];
            for (int i = 0; i < mask.Length; i++)
            {
                mask[i] = ((i / blocks) + (i % blocks)) % every == 0;
            }

            Attention.Forward(query, key, value, new AttentionExtras
            {
                BlockMask = mask, BlockSize = new(128, 128, PerHead: false),
            }, sizes, default, output, sums);
        }

        /// <summary>Sequences one after the other, each from its offset to the next.</summary>
        public void ForwardPacked(int[] offsets)
        {
            int longest = offsets.Zip(offsets.Skip(1), (first, next) => next - first).Max();
            AttentionSizes packed = sizes with
            {
                Batch = offsets.Length - 1, QueryLength = longest, KeyLength = longest,
            };
            Attention.Forward(query, key, value, new AttentionExtras
            {
                QueryOffsets = offsets, KeyOffsets = offsets,
            }, packed, default, output, sums);
        }

        public void Backward(AttentionOptions options)
        {
            gradients ??= [Random(4), new float[query.Length], new float[query.Length],
                new float[query.Length]];
            Attention.Backward(query, key, value, output, sums, gradients[0], sizes, options,
                gradients[1], gradients[2], gradients[3]);
        }

        private float[] Random(int seed)
        {
            Random random = new(seed);
            float[] values = new float[Heads * sizes.QueryLength * Dimension];
            for (int i = 0; i < values.Length; i++) values[i] = random.NextSingle() - 0.5f;
            return values;
        }
    }
}
