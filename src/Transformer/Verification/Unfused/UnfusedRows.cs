using System.Numerics.Tensors;
using Transformer.Ops;

namespace Transformer.Verification.Unfused;

/// <summary>Row-wise ops as separate passes over whole tensors. One thread, vectorised row by
/// row.</summary>
internal static unsafe class UnfusedRows
{
    /// <summary>Residual, mean, centring, variance, scaling, weight and bias, a pass each.
    /// </summary>
    public static void LayerNorm(LayerNormForward call)
    {
        (int rows, int width) = (call.Rows, call.Width);
        Span<float> sum = (call.Sum.IsPresent ? call.Sum : call.Output).AsSpan<float>();
        if (call.Residual.IsPresent)
        {
            ReadOnlySpan<float> residual = call.Residual.AsSpan<float>();
            TensorPrimitives.Add(call.Input.AsSpan<float>(), residual, sum);
        }
        else
        {
            call.Input.AsSpan<float>().CopyTo(sum);
        }

        Span<float> output = call.Output.AsSpan<float>();
        float[] statistics = new float[rows];
        for (int r = 0; r < rows; r++)
        {
            statistics[r] = TensorPrimitives.Sum<float>(sum.Slice(r * width, width)) / width;
        }

        for (int r = 0; r < rows; r++)
        {
            TensorPrimitives.Subtract(
                sum.Slice(r * width, width), statistics[r], output.Slice(r * width, width));
        }

        for (int r = 0; r < rows; r++)
        {
            float squares = TensorPrimitives.SumOfSquares<float>(output.Slice(r * width, width));
            statistics[r] = 1 / MathF.Sqrt((squares / width) + (float)call.EffectiveEpsilon);
        }

        for (int r = 0; r < rows; r++)
        {
            Span<float> row = output.Slice(r * width, width);
            TensorPrimitives.Multiply(row, statistics[r], row);
            TensorPrimitives.MultiplyAdd(
                row, call.Weight.AsSpan<float>(), call.Bias.AsSpan<float>(), row);
        }
    }

    /// <summary>Residual, mean square, scaling and weight, a pass each.</summary>
    public static void RmsNorm(RmsNormForward call)
    {
        (int rows, int width) = (call.Rows, call.Width);
        Span<float> sum = call.Sum.AsSpan<float>(), output = call.Output.AsSpan<float>();
        TensorPrimitives.Add(call.Input.AsSpan<float>(), call.Residual.AsSpan<float>(), sum);
        float[] statistics = new float[rows];
        for (int r = 0; r < rows; r++)
        {
            float squares = TensorPrimitives.SumOfSquares<float>(sum.Slice(r * width, width));
            statistics[r] = 1 / MathF.Sqrt((squares / width) + (float)call.EffectiveEpsilon);
        }

        for (int r = 0; r < rows; r++)
        {
            TensorPrimitives.Multiply(
                sum.Slice(r * width, width), statistics[r], output.Slice(r * width, width));
        }

        for (int r = 0; r < rows; r++)
        {
            Span<float> row = output.Slice(r * width, width);
            TensorPrimitives.Multiply(row, call.Weight.AsSpan<float>(), row);
        }
    }

    /// <summary>System.Numerics.Tensors' softmax of each line of the last axis.</summary>
    public static void Softmax(SoftmaxForward call) =>
        Softmax(call.Input.AsSpan<float>(), call.Outer, call.Length, call.Output.AsSpan<float>());

    /// <summary>The same softmax, then its logarithm.</summary>
    public static void LogSoftmax(LogSoftmaxForward call)
    {
        Span<float> output = call.Output.AsSpan<float>();
        Softmax(call.Input.AsSpan<float>(), call.Outer, call.Length, output);
        TensorPrimitives.Log(output, output);
    }

    /// <summary>Softmax into a buffer of probabilities, its logarithm, the labels' losses.
    /// </summary>
    public static void CrossEntropy(SoftmaxCrossEntropyForward call)
    {
        (int rows, int classes) = (call.Rows, call.Classes);
        ReadOnlySpan<float> logits = call.Logits.AsSpan<float>();
        float[] probabilities = new float[rows * classes];
        Softmax(logits, rows, classes, probabilities);
        TensorPrimitives.Log(probabilities, probabilities);
        int* labels = call.Labels.Pointer<int>();
        double loss = 0;
        for (int r = 0; r < rows; r++) loss -= probabilities[(r * classes) + labels[r]];
        *call.Loss.Pointer<float>() = (float)(loss / rows);
    }

    private static void Softmax(
        ReadOnlySpan<float> input, int rows, int width, Span<float> output)
    {
        for (int r = 0; r < rows; r++)
        {
            TensorPrimitives.SoftMax(
                input.Slice(r * width, width), output.Slice(r * width, width));
        }
    }
}
