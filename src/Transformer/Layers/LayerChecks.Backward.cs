using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Layers;

/// <summary>What a backward call requires before it adds to any gradient.</summary>
internal static unsafe partial class LayerChecks
{
    /// <summary>Requires gradients only of inputs that the forward call had.</summary>
    public static void ExtraGradients(
        in AttentionExtras extras, in AttentionExtraGradients gradients)
    {
        Given("Bias", "bias", gradients.Bias.Length, extras.Bias.Length);
        Given("RelativeBias", "relative bias", gradients.RelativeBias.Length,
            extras.RelativeBias.Length);
        Given("Sinks", "sinks", gradients.Sinks.Length, extras.Sinks.Length);
    }

    /// <summary>Requires what the gradients of a projection will.</summary>
    public static void Backward(
        ReadOnlySpan<float> input, ReadOnlySpan<float> weight, ReadOnlySpan<float> outputGradient,
        in LinearSizes sizes, Span<float> inputGradient, Span<float> weightGradient,
        Span<float> biasGradient)
    {
        fixed (float* x = input, w = weight, dy = outputGradient, dx = inputGradient,
            dw = weightGradient, db = biasGradient)
        {
            new LinearBackward
            {
                Input = BufferView.Of(x, input.Length),
                Weight = BufferView.Of(w, weight.Length),
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                InputGradient = BufferView.Of(dx, inputGradient.Length),
                WeightGradient = BufferView.Of(dw, weightGradient.Length),
                BiasGradient = BufferView.Of(db, biasGradient.Length),
                Rows = sizes.Rows,
                InputFeatures = sizes.InputFeatures,
                OutputFeatures = sizes.OutputFeatures,
            }.Validate();
        }
    }

    /// <summary>Requires that no gradient of the call shares memory with another, or with what is
    /// read; only an input's may be the output's gradient.</summary>
    public static void Apart(
        ReadOnlySpan<float> query, ReadOnlySpan<float> memory, ReadOnlySpan<float> outputGradient,
        Span<float> queryGradient, Span<float> memoryGradient,
        in MultiHeadAttentionGradients gradients, in AttentionExtraGradients extraGradients)
    {
        fixed (float* q = query, m = memory, dy = outputGradient, dq = queryGradient,
            dm = memoryGradient, dp = gradients.ProjectionWeight, dpb = gradients.ProjectionBias)
        fixed (float* dow = gradients.OutputWeight, dob = gradients.OutputBias,
            db = extraGradients.Bias, dr = extraGradients.RelativeBias, ds = extraGradients.Sinks)
        {
            ReadOnlySpan<(string, BufferView)> written =
            [
                ("inputGradient", BufferView.Of(dq, queryGradient.Length)),
                ("memoryGradient", BufferView.Of(dm, memoryGradient.Length)),
                ("gradients.ProjectionWeight",
                    BufferView.Of(dp, gradients.ProjectionWeight.Length)),
                ("gradients.ProjectionBias", BufferView.Of(dpb, gradients.ProjectionBias.Length)),
                ("gradients.OutputWeight", BufferView.Of(dow, gradients.OutputWeight.Length)),
                ("gradients.OutputBias", BufferView.Of(dob, gradients.OutputBias.Length)),
                ("extraGradients.Bias", BufferView.Of(db, extraGradients.Bias.Length)),
                ("extraGradients.RelativeBias",
                    BufferView.Of(dr, extraGradients.RelativeBias.Length)),
                ("extraGradients.Sinks", BufferView.Of(ds, extraGradients.Sinks.Length)),
            ];
            OpCheck.Apart(Layer, written, [("input", BufferView.Of(q, query.Length)),
                ("memory", BufferView.Of(m, memory.Length))]);
            OpCheck.Apart(Layer, written[2..],
                [("outputGradient", BufferView.Of(dy, outputGradient.Length))]);
        }
    }

    private static void Given(string field, string input, int length, int given)
    {
        if (length == 0 || given != 0) return;
        OpCheck.Throw(Layer, $"'extraGradients.{field}' has {length} elements; the forward call " +
            $"was given no {input}. Leave it out.");
    }
}
