using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>Tiles that no query sees are not even read: here they lie on pages whose access ends
/// the process.</summary>
public class FusedAttentionHiddenTileTests : KernelTest
{
    private const int Tile = 64;
    private const int Keys = 5 * Tile;
    private const int Dimension = 64;
    private const int TileBytes = Tile * Dimension * sizeof(float);

    // Keys [128, 320) are hidden, but for the window and the block mask: [0, 128) and [64, 256).
    [SkippableTheory]
    [InlineData("causal", 2, 3)]
    [InlineData("lengths", 2, 3)]
    [InlineData("window", 0, 2)]
    [InlineData("block mask", 1, 3)]
    [InlineData("mask", 2, 3)]
    [InlineData("modifier", 2, 3)]
    public void HiddenTiles_AreNotRead(string hiddenBy, int firstTile, int tiles)
    {
        Skip.If(TileBytes % Environment.SystemPageSize != 0,
            $"a tile of {TileBytes} bytes is not whole pages of {Environment.SystemPageSize}");
        const int queries = 100;
        AttentionSizes sizes = new(1, 1, 1, queries, Keys, Dimension, Dimension);
        AttentionInputs plain =
            Hide(hiddenBy, AttentionProblem.Random(this, sizes, 1, DType.Float32));
        using SparseMemory keys = Copy(plain.Key), values = Copy(plain.Value);
        keys.Forbid((long)firstTile * TileBytes, (long)tiles * TileBytes);
        values.Forbid((long)firstTile * TileBytes, (long)tiles * TileBytes);
        AttentionInputs guarded = plain with
        {
            Key = new(keys.Address, plain.Key.Length, DType.Float32),
            Value = new(values.Address, plain.Value.Length, DType.Float32),
        };
        double[] weights = Numbers.Normal(4, queries * Dimension);
        AttentionProblem expected = new(this, plain, DType.Float32, BackendRegistry.Cpu);
        AttentionProblem actual = new(this, guarded, DType.Float32, BackendRegistry.Cpu);
        foreach (AttentionProblem problem in new[] { expected, actual })
        {
            problem.Forward();
            problem.Backward(weights);
        }

        Numbers.Same(expected.Output.Values, actual.Output.Values, "output");
        Numbers.Same(expected.QueryGradient.Values, actual.QueryGradient.Values, "dQ");
        Numbers.Same(expected.KeyGradient.Values, actual.KeyGradient.Values, "dK");
        Numbers.Same(expected.ValueGradient.Values, actual.ValueGradient.Values, "dV");
        double[] hidden = actual.KeyGradient.Values[
            (firstTile * Tile * Dimension)..((firstTile + tiles) * Tile * Dimension)];
        Assert.All(hidden, x => Assert.Equal(0, x));
        Assert.Contains(actual.KeyGradient.Values, x => x != 0);
    }

    private AttentionInputs Hide(string hiddenBy, AttentionInputs inputs) => hiddenBy switch
    {
        "causal" => inputs with { Options = new() { Causal = CausalAlignment.TopLeft } },
        "lengths" => inputs with { KeyLengths = Ints(121) },
        // Query i stands at key i + 150: keys 140 to 259 are seen.
        "window" => inputs with { Options = new() { Window = new(10, 10), PastLength = 150 } },
        "block mask" => inputs with
        {
            BlockMask = Bools(true, false, false, false, true, true, false, false, false, false),
            BlockSize = new(50, Tile, false),
        },
        "mask" => inputs with
        {
            Mask = Bools([.. Enumerable.Range(0, Keys).Select(j => j < 2 * Tile)]),
            MaskLayout = new(0, 0, 0, Keys),
        },
        _ => inputs with { Score = ScoreModifier.OfDifferentiable(new FirstKeys()) },
    };

    private static SparseMemory Copy(BufferView view)
    {
        SparseMemory memory = new(Keys * Dimension * sizeof(float));
        view.AsSpan<float>().CopyTo(
            new BufferView(memory.Address, view.Length, DType.Float32).AsSpan<float>());
        return memory;
    }

    private readonly struct FirstKeys : IDifferentiableScoreModifier
    {
        public float Apply(float score, int batch, int head, int query, int key) => score;

        public bool IsVisible(int batch, int head, int query, int key) => key < 2 * Tile;

        public float Derivative(float score, int batch, int head, int query, int key) => 1;
    }
}
