using Transformer.Backends;
using Transformer.Ops;
using Transformer.Verification;

namespace Transformer.SamplePlugin;

/// <summary>Layer normalisation as a kernel of the call itself, with every operand it may have.
/// </summary>
internal sealed class SampleLayerNorm : IKernel<LayerNormForward>
{
    public bool Supports(in LayerNormForward call, out string? reason)
    {
        reason = KernelBackend.NotFloat32(call.Input, call.Residual, call.Weight, call.Bias,
            call.Sum, call.Output, call.Mean, call.InverseStd);
        return reason is null;
    }

    public void Run(in LayerNormForward call)
    {
        Span<float> input = call.Input.AsSpan<float>(), residual = call.Residual.AsSpan<float>();
        Span<float> weight = call.Weight.AsSpan<float>(), bias = call.Bias.AsSpan<float>();
        Span<float> sum = call.Sum.AsSpan<float>(), output = call.Output.AsSpan<float>();
        Span<float> mean = call.Mean.AsSpan<float>(), std = call.InverseStd.AsSpan<float>();
        for (int row = 0; row < call.Rows; row++)
        {
            int start = row * call.Width, end = start + call.Width;
            double total = 0, squares = 0;
            for (int i = start; i < end; i++)
            {
                // The output may be the input itself, and so may the sum.
                float x = input[i] + (residual.IsEmpty ? 0 : residual[i]);
                output[i] = x;
                if (!sum.IsEmpty) sum[i] = x;
                total += x;
            }

            double average = total / call.Width;
            for (int i = start; i < end; i++) squares += Math.Pow(output[i] - average, 2);
            double inverse = 1 / Math.Sqrt((squares / call.Width) + call.EffectiveEpsilon);
            for (int i = start; i < end; i++)
            {
                double x = (output[i] - average) * inverse;
                output[i] = (float)((x * (weight.IsEmpty ? 1 : weight[i - start])) +
                    (bias.IsEmpty ? 0 : bias[i - start]));
            }

            if (!mean.IsEmpty) mean[row] = (float)average;
            if (!std.IsEmpty) std[row] = (float)inverse;
        }
    }
}
