// snippet: attention-layer
using Transformer.Layers;
using Transformer.Ops;

// /snippet
namespace Transformer.Cli.Tests.Readme;

/// <summary>What the page of the library shows of its attention layer.</summary>
internal static class AttentionLayerSample
{
    public static bool Run()
    {
        // snippet: attention-layer
        MultiHeadAttention layer = new(new()
        {
            Width = 64, Heads = 8, KeyValueHeads = 2, Rotary = new() { MaxPositions = 1024 },
        });
        layer.ProjectionWeight.Fill(0.01f); // or Load, or LoadPyTorch
        layer.OutputWeight.Fill(0.01f);

        const int batch = 1, length = 10;
        float[] input = new float[batch * length * 64], whole = new float[input.Length];
        for (int i = 0; i < input.Length; i++) input[i] = i % 7;
        layer.Forward(input, batch, length, new() { Causal = CausalAlignment.TopLeft }, whole);

        // The same, decoding: a prompt of nine positions, then the tenth alone.
        using KvCache cache = new(new(batch, Capacity: 1024, KeyValueHeads: 2, HeadDimension: 8));
        float[] prompt = input[..(9 * 64)], next = input[(9 * 64)..];
        layer.Step(prompt, 9, cache, default, output: prompt); // outputs in place of the inputs
        layer.Step(next, 1, cache, default, output: next);

        Console.WriteLine(MathF.Abs(next[0] - whole[9 * 64]) < 1e-5f); // True
        // /snippet
        return MathF.Abs(next[0] - whole[9 * 64]) < 1e-5f && next[0] != 0;
    }
}
