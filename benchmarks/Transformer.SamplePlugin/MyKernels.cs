// snippet: plugin
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Verification;

// /snippet

namespace Transformer.SamplePlugin;

/// <summary>One kernel over spans: what the README beside the harness shows.</summary>
// snippet: plugin
public sealed class MyKernels : IKernelPlugin
{
    /// <inheritdoc/>
    public IEnumerable<Backend> Backends => [new KernelBackend("mine").AddLinearForward(Linear,
        lacks: (in call) => call.Activation != Activation.None ? "no activations yet" : null)];

    private static void Linear(
        ReadOnlySpan<float> input, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias,
        in LinearSizes sizes, in LinearOptions options, Span<float> output, Span<float> kept)
    {
        (int rows, int inputs, int outputs) = sizes;
        for (int i = 0; i < rows * outputs; i++)
        {
            (int row, int feature) = Math.DivRem(i, outputs);
            float sum = bias.IsEmpty ? 0 : bias[feature];
            for (int k = 0; k < inputs; k++)
                sum += input[(row * inputs) + k] * weight[(feature * inputs) + k];
            output[i] = sum;
        }

        output[..kept.Length].CopyTo(kept); // the pre-activation, where it is asked for
    }
}
// /snippet
