using System.Globalization;
using Transformer.Backends;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.SamplePlugin;

/// <summary>An op that the library does not have: output = (1 − t)·left + t·right.</summary>
public readonly record struct BlendForward : IOpCall
{
    /// <inheritdoc/>
    public static string Op => "Blend";

    /// <inheritdoc/>
    public static OpDirection Direction => OpDirection.Forward;

    /// <summary>[Length].</summary>
    public BufferView Left { get; init; }

    /// <summary>[Length].</summary>
    public BufferView Right { get; init; }

    /// <summary>t, from 0 to 1.</summary>
    public double Share { get; init; }

    /// <summary>[Length].</summary>
    public BufferView Output { get; init; }

    /// <inheritdoc/>
    public void Validate()
    {
        if (Left.Length == Right.Length && Left.Length == Output.Length) return;
        throw new ArgumentException($"Blend: lengths {Left.Length}, {Right.Length} and " +
            $"{Output.Length} differ. Pass buffers of one length.");
    }
}

/// <summary>Kernel, definition, cases and timed calls of <see cref="BlendForward"/>.</summary>
internal static class Blend
{
    private static readonly Backend Definition =
        new KernelBackend("blend-definition").Add<BlendForward>(Define, (in call) =>
            call.Output.DType != DType.Float64 ? "the definition takes Float64 only" : null);

    public static void Run(in BlendForward call)
    {
        Span<float> left = call.Left.AsSpan<float>(), right = call.Right.AsSpan<float>();
        Span<float> output = call.Output.AsSpan<float>();
        float share = (float)call.Share;
        for (int i = 0; i < output.Length; i++)
            output[i] = left[i] + (share * (right[i] - left[i]));
    }

    public static string? Lacks(in BlendForward call) =>
        KernelBackend.NotFloat32(call.Left, call.Right, call.Output);

    public static IEnumerable<ParityCase> Cases() => new[] { 0, 1, 15, 64, 251 }.Select(
        length => new ParityCase<BlendForward>(
            $"[{length}]", Tolerance.Elementwise(4), memory => New(memory, length), quick: true)
        {
            Reference = Definition,
        });

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        int length = size.Rows * size.Width;
        string shape = string.Create(CultureInfo.InvariantCulture, $"[{length}]");
        yield return new BenchCase<BlendForward>(
            shape, new BenchWork(3.0 * length, 12.0 * length), memory => New(memory, length))
        {
            Reference = Definition,
        };
    }

    private static BlendForward New(CaseMemory memory, int length) => new()
    {
        Left = memory.Input("left", length),
        Right = memory.Input("right", length),
        Share = 0.3,
        Output = memory.Output("output", length),
    };

    // The harness gives the definition doubles.
    private static void Define(in BlendForward call)
    {
        Span<double> left = call.Left.AsSpan<double>(), right = call.Right.AsSpan<double>();
        Span<double> output = call.Output.AsSpan<double>();
        for (int i = 0; i < output.Length; i++)
            output[i] = ((1 - call.Share) * left[i]) + (call.Share * right[i]);
    }
}
