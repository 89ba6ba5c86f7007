using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Kernels = Transformer.Ops;

namespace Transformer.Tests;

/// <summary>The entries on spans of Half and BFloat16 give what the reference gives, to one
/// rounding, and allocate nothing.</summary>
public sealed class SpanEntrySixteenBitTests
{
    private const int Rows = 5, Width = 37, Outputs = 21;

    [Fact]
    public void Half_EveryEntry_GivesTheReferencesNumbers() =>
        // 11 significant bits: a number and its neighbour differ by at most 2^-10 of it.
        Check(x => (Half)x, x => (float)x, 1.0 / 1024);

    [Fact]
    public void BFloat16_EveryEntry_GivesTheReferencesNumbers() =>
        // 8 significant bits.
        Check(x => (BFloat16)x, x => (float)x, 1.0 / 128);

    private static void Check<T>(Func<float, T> round, Func<T, float> widen, double apart)
        where T : unmanaged
    {
        foreach ((string name, Entry<T> entry) in Entries<T>())
        {
            T[][] results = new T[2][];
            Backend[] backends = [SimdBackend.Instance, BackendRegistry.Reference];
            for (int i = 0; i < 2; i++)
            {
                results[i] = [.. Enumerable.Range(0, 4096).Select(_ => round(0.25f))];
                entry(Numbers(round), results[i], backends[i]);
            }

            Assert.Contains(results[0], x => widen(x) != 0.25f);
            for (int i = 0; i < results[0].Length; i++)
            {
                double expected = widen(results[1][i]), actual = widen(results[0][i]);
                // Where terms cancel, the error is theirs: of order 1.
                double allowed = apart * Math.Max(Math.Abs(expected), 1.0 / 16);
                Assert.True(Math.Abs(actual - expected) <= allowed,
                    $"{name}<{typeof(T).Name}> [{i}]: {actual}, expected {expected}");
            }

            AllocatesNothing(name, entry, Numbers(round), results[0]);
        }
    }

    private static void AllocatesNothing<T>(
        string name, Entry<T> entry, T[] numbers, T[] results) where T : unmanaged
    {
        long least = ManagedAllocations.Least(
            () => entry(numbers, results, SimdBackend.Instance));
        Assert.True(least == 0, $"{name}<{typeof(T).Name}> allocates {least} bytes");
    }

    private delegate void Entry<T>(ReadOnlySpan<T> x, Span<T> y, Backend backend);

    private static IEnumerable<(string Name, Entry<T> Run)> Entries<T>() where T : unmanaged
    {
        const int count = Rows * Width;
        yield return ("Add", (x, y, on) =>
            Kernels.Add.Forward(x[..count], x[count..(2 * count)], y[..count], on));
        yield return ("Activations", (x, y, on) =>
            Kernels.Activations.Forward(x[..count], Activation.Gelu, y[..count], on));
        yield return ("Activations backward", (x, y, on) => Kernels.Activations.Backward(
            x[..count], x[count..(2 * count)], Activation.GeluTanh, y[..count], on));
        yield return ("Dropout", (x, y, on) =>
            Kernels.Dropout.Forward(x[..count], new(0.3f, 7), y[..count], on));
        yield return ("Dropout backward", (x, y, on) =>
            Kernels.Dropout.Backward(x[..count], new(0.3f, 7), y[..count], on));
        yield return ("Softmax", (x, y, on) =>
            Kernels.Softmax.Forward(x[..count], new(Rows, Width), y[..count], on));
        yield return ("Softmax over axis 0", (x, y, on) =>
            Kernels.Softmax.Forward(x[..count], new(1, Rows, Width), y[..count], on));
        yield return ("LogSoftmax", (x, y, on) =>
            Kernels.LogSoftmax.Forward(x[..count], new(Rows, Width), y[..count], on));
        yield return ("RotaryEmbedding", (x, y, on) => Kernels.RotaryEmbedding.Forward(
            x[..64], Tables, default, new(1, 2, 4, 8), y[..64], on));
        yield return ("RotaryEmbedding backward", (x, y, on) => Kernels.RotaryEmbedding.Backward(
            x[..64], Tables, default, new(1, 2, 4, 8), y[..64], on));
        foreach ((string, Entry<T>) entry in Norms<T>()) yield return entry;
        foreach ((string, Entry<T>) entry in Layers<T>()) yield return entry;
        foreach ((string, Entry<T>) entry in Losses<T>()) yield return entry;
    }

    private static IEnumerable<(string Name, Entry<T> Run)> Norms<T>() where T : unmanaged
    {
        const int count = Rows * Width;
        LayerNormSizes sizes = new(Rows, Width);
        RmsNormSizes rms = new(Rows, Width);
        yield return ("LayerNorm", (x, y, on) => Kernels.LayerNorm.Forward(
            x[..count], x[..Width], x[Width..(2 * Width)], sizes, default, y[..count],
            backend: on));
        yield return ("LayerNorm residual", (x, y, on) => Kernels.LayerNorm.Forward(
            x[..count], x[count..(2 * count)], x[..Width], default, sizes, default, y[..count],
            y[count..(2 * count)], default, default, on));
        yield return ("LayerNorm backward", (x, y, on) => Kernels.LayerNorm.Backward(
            x[..count], x[..Width], Ones, Ones, x[count..(2 * count)], sizes, y[..count],
            y[count..(count + Width)], y[(count + Width)..(count + (2 * Width))], default, on));
        yield return ("RmsNorm", (x, y, on) => Kernels.RmsNorm.Forward(
            x[..count], x[..Width], rms, default, y[..count], backend: on));
        yield return ("RmsNorm backward", (x, y, on) => Kernels.RmsNorm.Backward(
            x[..count], x[..Width], Ones, x[count..(2 * count)], rms, y[..count],
            y[count..(count + Width)], default, on));
    }

    private static IEnumerable<(string Name, Entry<T> Run)> Layers<T>() where T : unmanaged
    {
        const int count = Rows * Width, results = Rows * Outputs, weights = Width * Outputs;
        LinearSizes sizes = new(Rows, Width, Outputs);
        LinearOptions relu = new() { Activation = Activation.Relu };
        yield return ("Linear", (x, y, on) => Kernels.Linear.Forward(
            x[..count], x[..weights], x[..Outputs], sizes, relu, y[..results],
            y[results..(2 * results)], on));
        yield return ("Linear backward", (x, y, on) => Kernels.Linear.Backward(
            x[..count], x[..weights], x[..results], x[^results..], sizes, relu, y[..count],
            y[count..(count + weights)], y[(count + weights)..(count + weights + Outputs)], on));
        yield return ("GeluFeedForward", (x, y, on) => Kernels.GeluFeedForward.Forward(
            x[..count], Parameters(x), new(Rows, Width, Outputs, Width), default, y[..count],
            y[count..(count + results)], on));
        yield return ("GeluFeedForward backward", (x, y, on) => Kernels.GeluFeedForward.Backward(
            x[..count], Parameters(x), x[..results], x[^count..],
            new(Rows, Width, Outputs, Width), default, y[..count], new()
            {
                Weight1 = y.Slice(count, weights),
                Weight2 = y.Slice(count + weights, weights),
                Bias1 = y.Slice(count + (2 * weights), Outputs),
                Bias2 = y.Slice(count + (2 * weights) + Outputs, Width),
            }, on));
        EmbeddingSizes embedding = new(6, 3, Width);
        yield return ("Embedding", (x, y, on) => Kernels.Embedding.Forward(
            Ids, x[..(9 * Width)], x[^(4 * Width)..], x[..(2 * Width)], embedding,
            new() { Scale = 2 }, y[..(6 * Width)], on));
        yield return ("Embedding backward", (x, y, on) => Kernels.Embedding.Backward(
            Ids, x[..(6 * Width)], embedding, new() { Scale = 2 }, y[..(9 * Width)],
            y[(9 * Width)..(13 * Width)], y[(13 * Width)..(15 * Width)], on));
    }

    private static IEnumerable<(string Name, Entry<T> Run)> Losses<T>() where T : unmanaged
    {
        const int count = Rows * Width;
        CrossEntropySizes sizes = new(Rows, Width);
        CrossEntropyOptions smooth = new() { LabelSmoothing = 0.1f };
        NegativeLogLikelihoodSizes picked = new(Rows, Width, 1);
        yield return ("SoftmaxCrossEntropy", (x, y, on) => y[0] = Store<T>(
            Kernels.SoftmaxCrossEntropy.Forward(
                x[..count], Labels, sizes, smooth, Scratch, default, on)));
        yield return ("SoftmaxCrossEntropy backward", (x, y, on) =>
        {
            Kernels.SoftmaxCrossEntropy.Forward(
                x[..count], Labels, sizes, smooth, Scratch, default, on);
            Kernels.SoftmaxCrossEntropy.Backward(
                x[..count], Labels, Scratch, 1, sizes, smooth, y[..count], on);
        });
        yield return ("NegativeLogLikelihood", (x, y, on) => y[0] = Store<T>(
            Kernels.NegativeLogLikelihood.Forward(
                x[..count], Labels, default, picked, default, default, on)));
        yield return ("NegativeLogLikelihood backward", (x, y, on) =>
            Kernels.NegativeLogLikelihood.Backward(
                Labels, default, 1, picked, default, y[..count], on));
        yield return ("GradientNorm", (x, y, on) =>
            y[0] = Store<T>(Kernels.GradientNorm.Compute(x[..count], 0, on).Norm));
    }

    private static readonly float[] Ones = [1, 1, 1, 1, 1];
    private static readonly float[] Scratch = new float[Rows];
    private static readonly int[] Labels = [3, 0, 36, 17, 3];
    private static readonly int[] Tokens = [3, 8, 0, 3, 3, 1];
    private static readonly int[] Segments = [0, 1, 1, 0, 1, 0];
    private static readonly float[] Cosines = [.. Angles().Select(MathF.Cos)];
    private static readonly float[] Sines = [.. Angles().Select(MathF.Sin)];

    private static EmbeddingIds Ids => new() { Tokens = Tokens, Segments = Segments };

    private static RotaryTableSpans Tables => new()
    {
        Cosines = Cosines, Sines = Sines, MaxPositions = 4,
    };

    private static IEnumerable<float> Angles() => Enumerable.Range(0, 4 * 4).Select(i => 0.3f * i);

    private static FeedForwardParameters<T> Parameters<T>(ReadOnlySpan<T> x) where T : unmanaged =>
        new()
        {
            Weight1 = x[..(Width * Outputs)],
            Bias1 = x[..Outputs],
            Weight2 = x[^(Width * Outputs)..],
            Bias2 = x[..Width],
        };

    private static T Store<T>(float value) where T : unmanaged =>
        typeof(T) == typeof(Half) ? Unsafe.BitCast<Half, T>((Half)value)
            : Unsafe.BitCast<BFloat16, T>((BFloat16)value);

    private static T[] Numbers<T>(Func<float, T> round) =>
        [.. Enumerable.Range(0, 1024).Select(i => round(MathF.Sin(1 + (0.7f * i))))];
}
