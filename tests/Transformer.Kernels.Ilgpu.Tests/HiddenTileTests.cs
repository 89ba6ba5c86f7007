using Transformer.Ops;
using Transformer.Tests.Support;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>Tiles that no query of a tile sees are not even read: here they lie on pages whose
/// access ends the process.</summary>
public sealed class HiddenTileTests
{
    private const int Tile = 32, Keys = 5 * Tile, Queries = 70, Dimension = 32;
    private const int TileBytes = Tile * Dimension * sizeof(float);

    private static readonly AttentionSizes Sizes =
        new(1, 1, 1, Queries, Keys, Dimension, Dimension);

    [SkippableTheory]
    [InlineData("causal", 3, 2)]
    [InlineData("lengths", 2, 3)]
    [InlineData("window", 0, 2)]
    [InlineData("block mask", 1, 3)]
    public void HiddenTiles_AreNotRead(string hiddenBy, int firstTile, int tiles)
    {
        Skip.If(TileBytes % Environment.SystemPageSize != 0,
            $"a tile of {TileBytes} bytes is not whole pages of {Environment.SystemPageSize}");
        using SparseMemory plain = Operands(), guarded = Operands();
        guarded.Forbid((long)firstTile * TileBytes, (long)tiles * TileBytes);
        guarded.Forbid((long)(5 + firstTile) * TileBytes, (long)tiles * TileBytes);

        float[] actual = Run(hiddenBy, guarded);

        Assert.Equal(Run(hiddenBy, plain), actual);
        Span<float> gradients = actual.AsSpan(^(2 * Keys * Dimension)..);
        for (int side = 0; side < 2; side++)
        {
            Span<float> hidden = gradients.Slice(
                ((side * Keys) + (firstTile * Tile)) * Dimension, tiles * Tile * Dimension);
            Assert.False(hidden.ContainsAnyExcept(0f), "hidden keys have gradients");
            Assert.True(gradients.Slice(side * Keys * Dimension, Keys * Dimension)
                .ContainsAnyExcept(0f), "no key has a gradient");
        }
    }

    // Keys, and behind them values.
    private static unsafe SparseMemory Operands()
    {
        SparseMemory memory = new(10 * TileBytes);
        Draw(7, new Span<float>((void*)memory.Address, 2 * Keys * Dimension));
        return memory;
    }

    // Output, log-sum-exp and the gradients of queries, keys and values, one behind the other.
    private static unsafe float[] Run(string hiddenBy, SparseMemory operands)
    {
        const int side = Queries * Dimension, keySide = Keys * Dimension;
        float[] query = new float[side], outputGradient = new float[side];
        Draw(8, query);
        Draw(9, outputGradient);
        ReadOnlySpan<float> key = new((void*)operands.Address, keySide);
        ReadOnlySpan<float> value = new((float*)operands.Address + keySide, keySide);
        AttentionExtras extras = hiddenBy switch
        {
            "lengths" => new() { KeyLengths = new[] { 61 } },
            "block mask" => new()
            {
                BlockMask = new[]
                {
                    true, false, false, false, true, true, false, false, false, false,
                },
                BlockSize = new(50, Tile, false),
            },
            _ => default,
        };
        AttentionOptions options = hiddenBy switch
        {
            "causal" => new() { Causal = CausalAlignment.TopLeft },
            // Query i stands at key i + 75: keys 70 to 149 are seen.
            "window" => new() { Window = new(5, 5), PastLength = 75 },
            _ => default,
        };
        float[] all = new float[(2 * side) + Queries + (2 * keySide)];
        Span<float> output = all.AsSpan(0, side), sums = all.AsSpan(side, Queries);
        Span<float> gradients = all.AsSpan(side + Queries);
        Ops.FusedAttention.Forward(
            query, key, value, extras, Sizes, options, output, sums, backend: TestDevice.Backend);
        Ops.FusedAttention.Backward<float>(
            query, key, value, output, sums, outputGradient, extras, Sizes, options,
            gradients[..side], gradients.Slice(side, keySide), gradients[(side + keySide)..],
            backend: TestDevice.Backend);
        return all;
    }

    private static void Draw(int seed, Span<float> numbers)
    {
        Random random = new(seed);
        for (int i = 0; i < numbers.Length; i++) numbers[i] = (2 * random.NextSingle()) - 1;
    }
}
