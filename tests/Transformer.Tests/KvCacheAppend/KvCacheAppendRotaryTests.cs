using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Robustness;
using Transformer.Tests.Support;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.KvCacheAppend;

/// <summary>Rotation and conversion on the way into the cache.</summary>
public sealed class KvCacheAppendRotaryTests : KernelTest
{
    private const int Heads = 3, Dimension = 20, Width = Heads * Dimension, Positions = 12;

    [Theory]
    [InlineData("simd", false, 0)]
    [InlineData("simd", true, 0)]
    [InlineData("simd", false, 14)]
    [InlineData("simd", true, 14)]
    [InlineData("reference", false, 14)]
    [InlineData("reference", true, 0)]
    public void Rotated_IsTheRotaryOpThenAnAppend_BitForBit(
        string name, bool interleaved, int rotary)
    {
        Backend backend = BackendRegistry.Find(name);
        int half = (rotary == 0 ? Dimension : rotary) / 2;
        float[] cosines = new float[Positions * half], sines = new float[Positions * half];
        RotaryTable.Fill(cosines, sines, Positions, 2 * half);
        RotaryTableSpans tables = new()
        {
            Cosines = cosines, Sines = sines, MaxPositions = Positions, RotaryDimension = rotary,
            Interleaved = interleaved,
        };
        float[] source = [.. Numbers.Normal(1, 2 * 4 * Width).Select(x => (float)x)];
        float[] rotated = new float[source.Length];
        int[] positions = [8, 3];
        AttentionStrides rows = AttentionStrides.SequenceMajor(Heads, 4, Dimension);
        Kernels.RotaryEmbedding.Forward(source, tables, new RotaryExtras
        {
            PositionIds = [8, 9, 10, 11, 3, 4, 5, 6], InputStrides = rows, OutputStrides = rows,
        }, new(2, Heads, 4, Dimension), rotated, backend);
        float[] apart = new float[2 * Positions * Width], fused = new float[apart.Length];
        KvCacheSizes sizes = new(2, 4, Positions, Width);
        Kernels.KvCacheAppend.Forward(rotated, positions, sizes, apart, backend: backend);
        Kernels.KvCacheAppend.Forward(source, positions, new KvCacheExtras
        {
            Rotary = tables, HeadDimension = Dimension,
        }, sizes, fused.AsSpan(), backend);

        Assert.Equal(apart, fused);
        Assert.NotEqual(source[..Width], fused.AsSpan(8 * Width, Width).ToArray());
    }

    [Fact]
    public void SixteenBitCaches_TakeTheNearestNumbers()
    {
        float[] source = [.. Numbers.Normal(2, 3 * 37).Select(x => (float)x)];
        Half[] halves = new Half[5 * 37], again = new Half[5 * 37];
        BFloat16[] brains = new BFloat16[5 * 37];
        KvCacheSizes sizes = new(1, 3, 5, 37);
        Kernels.KvCacheAppend.Forward(source, [1], default, sizes, halves.AsSpan());
        Kernels.KvCacheAppend.Forward(source, [1], default, sizes, brains.AsSpan());
        Kernels.KvCacheAppend.Forward<Half, Half>(
            halves.AsSpan(37, 3 * 37), [1], default, sizes, again);

        Assert.Equal(source.Select(x => (Half)x), halves[37..(4 * 37)]);
        Assert.Equal(source.Select(x => (float)(BFloat16)x), brains[37..(4 * 37)]
            .Select(x => (float)x));
        Assert.Equal(halves, again);
        Assert.All(halves[..37].Concat(halves[(4 * 37)..]), x => Assert.Equal((Half)0, x));
    }

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void Positions_BeyondTheTables_AreRefusedBeforeAnyWrite(string name)
    {
        TestBuffer cache = Output(10 * 4, DType.Float32);
        CallRefusal.Require(Call(cache) with { Positions = Ints(4) },
            "KvCacheAppend: 'positions[0]' is 4; expected 0 to 3, so that 2 new rows fit rotary " +
            "tables of 5 positions. Make larger ", BackendRegistry.Find(name));
        Assert.All(cache.Values, x => Assert.True(double.IsNaN(x)));
    }

    [Fact]
    public void Calls_ThatCannotBeRight_AreRefused()
    {
        KvCacheAppendForward call = Call(Zeros(40, DType.Float32));
        BackendRegistry.Cpu.Run(call);
        RotaryTables tables = call.Rotary;
        CallRefusal.Require(call with { HeadDimension = 0 },
            "KvCacheAppend: 'HeadDimension' is 0; expected 1 or more. ");
        CallRefusal.Require(call with { HeadDimension = 3 },
            "KvCacheAppend: 'Width' is 4, which is not a multiple of HeadDimension 3. Pass ");
        CallRefusal.Require(call with { Rotary = tables with { MaxPositions = 0 } },
            "KvCacheAppend: 'MaxPositions' is 0; expected 1 or more. ");
        CallRefusal.Require(call with { Rotary = tables with { RotaryDimension = 6 } },
            "KvCacheAppend: 'RotaryDimension' is 6; expected an even number from 2 to ");
        CallRefusal.Require(call with { Rotary = tables with { Cosines = default } },
            "KvCacheAppend: 'cosines' has no buffer; expected 10 for shape [5, 2]. ");
        CallRefusal.Require(call with { Cache = call.Rotary.Sines, Capacity = 2 },
            "KvCacheAppend: 'cache' has 10 elements; ");
    }

    [Fact]
    public void Simd_SaysWhichTypesItLacks()
    {
        KvCacheAppendForward call = Call(Zeros(40, DType.Float64));
        NotSupportedException error = Assert.Throws<NotSupportedException>(
            () => BackendRegistry.Find("simd").Run(call));
        Assert.Equal("KvCacheAppend: backend 'simd' cannot run this call: the kernel converts " +
            "and rotates Float32, Float16 and BFloat16 only; 'source' is Float32, 'cache' is " +
            "Float64. Choose another backend or option.", error.Message);
        // Doubles that nothing turns are copied as they are.
        BackendRegistry.Find("simd").Run(call with
        {
            Source = Real([1, 2, 3, 4, 5, 6, 7, 8]), Rotary = default,
        });
    }

    private KvCacheAppendForward Call(TestBuffer cache) => new()
    {
        Source = Zeros(8, DType.Float32),
        Positions = Ints(3),
        Cache = cache,
        Batch = 1,
        NewLength = 2,
        Capacity = 10,
        Width = 4,
        HeadDimension = 4,
        Rotary = new()
        {
            Cosines = Zeros(10, DType.Float32), Sines = Zeros(10, DType.Float32), MaxPositions = 5,
        },
    };
}
