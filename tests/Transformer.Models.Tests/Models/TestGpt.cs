using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Numerics;

namespace Transformer.Models.Tests.Models;

/// <summary>A small decoder-only model with random weights.</summary>
internal static class TestGpt
{
    public static GptConfig Config { get; } = new()
    {
        Vocabulary = 23,
        Positions = 12,
        Layers = 2,
        Heads = 2,
        Width = 16,
    };

    /// <summary>A model whose weights are spread wide enough that its texts vary.</summary>
    public static Gpt Make(Backend? backend = null, ulong seed = 3)
    {
        Gpt model = new(Config, backend ?? BackendRegistry.Cpu, seed);
        foreach (Parameter parameter in model.Parameters.All)
        {
            float[] values = new float[parameter.Shape.ElementCount];
            parameter.CopyTo(values);
            for (int i = 0; i < values.Length; i++)
            {
                double unit = Philox.ToUnit(
                    Philox.Word(seed, 78, (uint)parameter.Index, (ulong)i));
                values[i] += (float)(0.8 * (unit - 0.5));
            }

            parameter.CopyFrom(values);
        }

        return model;
    }

    public static int[] Tokens(int count, uint stream = 0) =>
    [
        .. Enumerable.Range(0, count).Select(
            i => (int)(Philox.Word(9, stream, 0, (ulong)i) % (uint)Config.Vocabulary)),
    ];
}
