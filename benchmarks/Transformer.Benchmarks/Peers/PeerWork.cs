using Transformer.Backends;
using Transformer.Ops;
using ActivationKind = Transformer.Ops.Activation;
using Attention = Transformer.Ops.FusedAttention;
using FeedForward = Transformer.Ops.GeluFeedForward;
using Norm = Transformer.Ops.LayerNorm;
using LinearLayer = Transformer.Ops.Linear;

namespace Transformer.Benchmarks.Peers;

/// <summary>A case's call through the library's public entry, with its outputs by name.</summary>
internal sealed record PeerWork(Action Run, (string Name, float[] Values)[] Outputs)
{
    /// <summary>Reads the inputs and binds the call.</summary>
    /// <param name="work">The case.</param>
    /// <param name="backend">Where it runs; null: as the library chooses.</param>
    /// <exception cref="NotSupportedException">The library has no such op.</exception>
    public static PeerWork Of(PeerCase work, Backend? backend = null) => work.Op switch
    {
        "attention-forward" => AttentionForward(work, backend),
        "attention-backward" => AttentionBackward(work, backend),
        "layer-norm" => LayerNorm(work, backend),
        "rms-norm" => RmsNorm(work, backend),
        "linear" => Linear(work, backend),
        "feed-forward" => GeluFeedForward(work, backend),
        "gpt-prompt" => PeerGpt.Prompt(work, backend),
        "gpt-decode" => PeerGpt.Decode(work, backend),
        "gpt-train" => PeerGpt.Train(work, backend),
        _ => throw new NotSupportedException($"no op '{work.Op}'"),
    };

    private static (AttentionSizes Sizes, AttentionOptions Options) Problem(PeerCase work)
    {
        int width = work.Size("width");
        AttentionSizes sizes = new(work.Size("batch"), work.Size("heads"),
            work.Size("keyValueHeads"), work.Size("queries"), work.Size("keys"), width, width);
        CausalAlignment causal =
            work.Flag("causal") ? CausalAlignment.TopLeft : CausalAlignment.None;
        return (sizes, new() { Causal = causal });
    }

    private static PeerWork AttentionForward(PeerCase work, Backend? backend)
    {
        (AttentionSizes sizes, AttentionOptions options) = Problem(work);
        float[] query = work.Input("query"), key = work.Input("key"), value = work.Input("value");
        float[] output = new float[query.Length];
        return new(
            () => Attention.Forward(query, key, value, sizes, options, output, backend: backend),
            [("output", output)]);
    }

    private static PeerWork AttentionBackward(PeerCase work, Backend? backend)
    {
        (AttentionSizes sizes, AttentionOptions options) = Problem(work);
        float[] query = work.Input("query"), key = work.Input("key"), value = work.Input("value");
        float[] gradient = work.Input("outputGradient"), output = new float[query.Length];
        float[] sums = new float[sizes.Batch * sizes.QueryHeads * sizes.QueryLength];
        Attention.Forward(query, key, value, sizes, options, output, sums, backend);
        float[] dQuery = new float[query.Length], dKey = new float[key.Length];
        float[] dValue = new float[value.Length];
        return new(
            () => Attention.Backward(query, key, value, output, sums, gradient, sizes, options,
                dQuery, dKey, dValue, backend),
            [("queryGradient", dQuery), ("keyGradient", dKey), ("valueGradient", dValue)]);
    }

    private static PeerWork LayerNorm(PeerCase work, Backend? backend)
    {
        LayerNormSizes sizes = new(work.Size("rows"), work.Size("width"));
        float[] input = work.Input("input"), weight = work.Input("weight");
        float[] bias = work.Input("bias"), output = new float[input.Length];
        if (!work.Flag("residual"))
        {
            return new(
                () => Norm.Forward(input, weight, bias, sizes, default, output, backend: backend),
                [("output", output)]);
        }

        float[] residual = work.Input("residual"), sum = new float[input.Length];
        return new(
            () => Norm.Forward(input, residual, weight, bias, sizes, default, output, sum,
                default, default, backend),
            [("output", output), ("sum", sum)]);
    }

    private static PeerWork RmsNorm(PeerCase work, Backend? backend)
    {
        RmsNormSizes sizes = new(work.Size("rows"), work.Size("width"));
        float[] input = work.Input("input"), weight = work.Input("weight");
        float[] output = new float[input.Length];
        if (!work.Flag("residual"))
        {
            return new(
                () => Ops.RmsNorm.Forward(
                    input, weight, sizes, default, output, backend: backend),
                [("output", output)]);
        }

        float[] residual = work.Input("residual"), sum = new float[input.Length];
        return new(
            () => Ops.RmsNorm.Forward(input, residual, weight, sizes, default, output, sum,
                default, backend),
            [("output", output), ("sum", sum)]);
    }

    private static PeerWork Linear(PeerCase work, Backend? backend)
    {
        LinearSizes sizes = new(work.Size("rows"), work.Size("inputs"), work.Size("outputs"));
        float[] input = work.Input("input"), weight = work.Input("weight");
        float[] bias = work.Input("bias");
        float[] output = new float[sizes.Rows * sizes.OutputFeatures];
        return new(
            () => LinearLayer.Forward(
                input, weight, bias, sizes, default, output, backend: backend),
            [("output", output)]);
    }

    private static PeerWork GeluFeedForward(PeerCase work, Backend? backend)
    {
        int width = work.Size("width");
        FeedForwardSizes sizes = new(work.Size("rows"), width, work.Size("hidden"), width);
        FeedForwardOptions options = new()
        {
            Activation = work.Text("activation") == "gelu" ? ActivationKind.Gelu
                : ActivationKind.GeluTanh,
        };
        float[] input = work.Input("input"), output = new float[input.Length];
        float[] weight1 = work.Input("weight1"), bias1 = work.Input("bias1");
        float[] weight2 = work.Input("weight2"), bias2 = work.Input("bias2");
        return new(
            () => FeedForward.Forward(input, new FeedForwardParameters<float>
            {
                Weight1 = weight1, Bias1 = bias1, Weight2 = weight2, Bias2 = bias2,
            }, sizes, options, output, backend: backend),
            [("output", output)]);
    }
}
