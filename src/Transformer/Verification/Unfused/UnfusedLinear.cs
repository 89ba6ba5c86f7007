using System.Numerics.Tensors;
using Transformer.Ops;

namespace Transformer.Verification.Unfused;

/// <summary>
/// Linear layers as separate passes: a dot product for each output element, then the bias, then
/// the activation over the whole result. One thread, vectorised inside each dot product.
/// </summary>
internal static unsafe class UnfusedLinear
{
    public static void Forward(LinearForward call)
    {
        Product(call.Input.Pointer<float>(), call.Weight.Pointer<float>(), call.Rows,
            call.InputFeatures, call.OutputFeatures, call.Output.Pointer<float>());
        AddBias(call.Bias.Pointer<float>(), call.Rows, call.OutputFeatures,
            call.Output.Pointer<float>());
        Activate(call.Output.AsSpan<float>(), call.Activation);
    }

    public static void FeedForward(GeluFeedForwardForward call)
    {
        float[] hidden = new float[call.Rows * call.Hidden];
        fixed (float* pointer = hidden)
        {
            Product(call.Input.Pointer<float>(), call.Weight1.Pointer<float>(), call.Rows,
                call.Width, call.Hidden, pointer);
            AddBias(call.Bias1.Pointer<float>(), call.Rows, call.Hidden, pointer);
            Activate(hidden, call.Activation);
            Product(pointer, call.Weight2.Pointer<float>(), call.Rows, call.Hidden,
                call.OutputWidth, call.Output.Pointer<float>());
        }

        AddBias(call.Bias2.Pointer<float>(), call.Rows, call.OutputWidth,
            call.Output.Pointer<float>());
    }

    private static void Product(
        float* input, float* weight, int rows, int inputs, int outputs, float* output)
    {
        for (int r = 0; r < rows; r++)
        {
            ReadOnlySpan<float> x = new(input + ((long)r * inputs), inputs);
            for (int o = 0; o < outputs; o++)
            {
                ReadOnlySpan<float> w = new(weight + ((long)o * inputs), inputs);
                output[((long)r * outputs) + o] = TensorPrimitives.Dot(x, w);
            }
        }
    }

    private static void AddBias(float* bias, int rows, int width, float* output)
    {
        if (bias == null) return;
        for (int r = 0; r < rows; r++)
        {
            Span<float> row = new(output + ((long)r * width), width);
            TensorPrimitives.Add(row, new ReadOnlySpan<float>(bias, width), row);
        }
    }

    private static void Activate(Span<float> values, Activation activation)
    {
        if (activation == Activation.None) return;
        if (activation == Activation.Relu)
        {
            TensorPrimitives.Max(values, 0f, values);
            return;
        }

        if (activation == Activation.Tanh)
        {
            TensorPrimitives.Tanh(values, values);
            return;
        }

        if (activation == Activation.Silu)
        {
            float[] gate = new float[values.Length];
            TensorPrimitives.Sigmoid(values, gate);
            TensorPrimitives.Multiply(values, gate, values);
            return;
        }

        // GELU in its tanh form; a vectorised erf is not in the standard library.
        float[] inner = new float[values.Length];
        TensorPrimitives.Multiply(values, values, inner);
        TensorPrimitives.Multiply(inner, 0.044715f, inner);
        TensorPrimitives.Add(inner, 1f, inner);
        TensorPrimitives.Multiply(inner, values, inner);
        TensorPrimitives.Multiply(inner, MathF.Sqrt(2 / MathF.PI), inner);
        TensorPrimitives.Tanh(inner, inner);
        TensorPrimitives.Add(inner, 1f, inner);
        TensorPrimitives.Multiply(values, 0.5f, values);
        TensorPrimitives.Multiply(values, inner, values);
    }
}
