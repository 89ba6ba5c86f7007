using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.Robustness;

/// <summary>
/// Calls that cannot be right are refused before any kernel runs: exactly an
/// <see cref="ArgumentException"/> whose one line names op, argument and remedy.
/// </summary>
public sealed class BadCallTests : KernelTest
{
    private const int Rows = 3, Width = 4;

    private static readonly AttentionSizes Sizes = new(1, 2, 1, 3, 5, 4, 4);

    [Theory]
    [InlineData(double.NaN)]
    [InlineData(double.PositiveInfinity)]
    [InlineData(-1)]
    public void Numbers_OutsideTheirRange(double value)
    {
        Refuses(Norm() with { Epsilon = value }, "LayerNorm: 'Epsilon' is ");
        Refuses(new RmsNormForward
        {
            Input = Floats(4), Output = Floats(4), Rows = 1, Width = 4, Epsilon = value,
        }, "RmsNorm: 'Epsilon' is ");
        Refuses(Entropy() with { LabelSmoothing = value },
            "SoftmaxCrossEntropy: 'LabelSmoothing' is ");
        Refuses(Drop() with { Probability = (float)value }, "Dropout: 'Probability' is ");
        Refuses(Step() with { LearningRate = value }, "AdamW: 'LearningRate' is ");
        Refuses(Step() with { Beta1 = value }, "AdamW: 'Beta1' is ");
        Refuses(Step() with { Beta2 = value }, "AdamW: 'Beta2' is ");
        Refuses(Step() with { Epsilon = value }, "AdamW: 'Epsilon' is ");
        Refuses(Step() with { WeightDecay = value }, "AdamW: 'WeightDecay' is ");
        Refuses(Clip() with { MaxNorm = value }, "GradientNorm: 'MaxNorm' is ");
        Refuses(Attend(new() { Scale = value }), "FusedAttention: 'Scale' is ");
        Refuses(Attend(new() { SoftCap = value }), "FusedAttention: 'SoftCap' is ");
        if (value != -1) Refuses(Embed() with { Scale = value }, "Embedding: 'Scale' is ");
    }

    [Fact]
    public void Values_WithoutAName()
    {
        Refuses(Product() with { Activation = (Activation)99 },
            "Linear: 'Activation' is 99, which has no name. Use None, Relu, Gelu, GeluTanh, " +
            "Tanh, Silu.");
        Refuses(new ActivationForward
        {
            Input = Floats(2), Output = Floats(2), Length = 2, Activation = (Activation)(-1),
        }, "Activation: 'Activation' is -1, which has no name. Use None, ");
        Refuses(Feed() with { Activation = (Activation)9 },
            "GeluFeedForward: 'Activation' is 9, which has no name. Use ");
        Refuses(Entropy() with { Reduction = (LossReduction)2 },
            "SoftmaxCrossEntropy: 'Reduction' is 2, which has no name. Use Mean, Sum.");
        Refuses(Attend(new() { Causal = (CausalAlignment)7 }),
            "FusedAttention: 'Causal' is 7, which has no name. Use None, TopLeft, ");
        Refuses(Attend(default) with { ScoreOutput = (ScoreOutput)8, Scores = Floats(30) },
            "FusedAttention: 'ScoreOutput' is 8, which has no name. Use None, Raw, ");
    }

    [Fact]
    public void Options_ThatNeedMore()
    {
        Refuses(Attend(new() { PastLength = -1, Causal = CausalAlignment.Past }),
            "FusedAttention: 'PastLength' is -1; expected 0 or more. Pass ");
        Refuses(Attend(new() { Window = new(0, -2) }),
            "FusedAttention: 'Window' is (0, -2); expected −1 (unbounded) or more on each side. ");
        Refuses(Step() with { Step = 0 }, "AdamW: 'Step' is 0; expected 1 or more. Count ");
        Refuses(Step() with { Length = -1 }, "AdamW: 'Length' is -1; expected 0 or more. Pass ");
        Refuses(Drop() with { Probability = 1 }, "Dropout: 'Probability' is 1; expected ");
    }

    [Fact]
    public void BuffersOfAnotherType()
    {
        TestBuffer ints = Ints(new int[12]);
        Refuses(Norm() with { Input = ints }, "LayerNorm: 'input' is Int32; expected a floating");
        Refuses(Norm() with { Mean = Ints(new int[Rows]) }, "LayerNorm: 'mean' is Int32");
        Refuses(Product() with { Weight = Ints(new int[16]) }, "Linear: 'weight' is Int32");
        Refuses(Product() with { Output = ints }, "Linear: 'output' is Int32");
        Refuses(Feed() with { Weight1 = Ints(new int[8]) }, "GeluFeedForward: 'weight1' is Int32");
        Refuses(Embed() with { Ids = Longs(0, 0, 0) }, "Embedding: 'ids' is Int64; expected Int32");
        Refuses(Entropy() with { ClassWeights = Ints(1, 1, 1, 1) },
            "SoftmaxCrossEntropy: 'classWeights' is Int32; expected a floating");
        Refuses(new SoftmaxForward
        {
            Input = Floats(4), Output = Ints(0, 0, 0, 0), Outer = 1, Length = 4, Inner = 1,
        }, "Softmax: 'output' is Int32");
        Refuses(new LogSoftmaxForward
        {
            Input = Floats(4), Output = Floats(4), Outer = 1, Length = -4, Inner = 1,
        }, "LogSoftmax: 'Length' is -4; expected 0 or more. ");
        Refuses(new NegativeLogLikelihoodForward
        {
            LogProbabilities = Floats(4), Labels = Longs(0), Loss = Floats(1), Outer = 1,
            Classes = 4, Inner = 1,
        }, "NegativeLogLikelihood: 'labels' is Int64; expected Int32. Convert ");
        Refuses(Entropy() with { Labels = Longs(0, 0, 0) },
            "SoftmaxCrossEntropy: 'labels' is Int64; expected Int32. Convert ");
        Refuses(Drop() with { RandomState = Ints(1, 2) },
            "Dropout: 'randomState' is Int32; expected Int64: seed, step. Convert ");
        Refuses(Step() with { Gradient = ints }, "AdamW: 'gradient' is Int32");
        Refuses(Clip() with { Norm = Ints(0) }, "GradientNorm: 'norm' is Int32");
        Refuses(new ActivationForward { Input = Ints(1, 2), Output = Floats(2), Length = 2 },
            "Activation: 'input' is Int32; expected a floating");
        Refuses(new AddForward
        {
            Left = Ints(1), Right = Floats(1), Output = Floats(1), Length = 1,
        }, "Add: 'left' is Int32");
        AttentionForward attend = Attend(default);
        Refuses(attend with { Inputs = attend.Inputs with { Query = Ints(new int[24]) } },
            "FusedAttention: 'query' is Int32");
        Refuses(attend with { LogSumExp = Ints(new int[6]) },
            "FusedAttention: 'logSumExp' is Int32");
        Refuses(attend with { Inputs = attend.Inputs with { KeyLengths = Longs(1) } },
            "FusedAttention: 'keyLengths' is Int64; expected Int32");
    }

    [Fact]
    public void OtherPrecisions_OnVectorKernels_SayWhy()
    {
        LayerNormForward call = Norm() with { Input = Zeros(12, DType.Float64) };
        NotSupportedException error = Assert.Throws<NotSupportedException>(
            () => BackendRegistry.Find("simd").Run(call));
        Assert.StartsWith("LayerNorm: backend 'simd' cannot run this call: ",
            error.Message, StringComparison.Ordinal);
        Assert.Contains("Float64", error.Message, StringComparison.Ordinal);
        Assert.EndsWith(
            "Choose another backend or option.", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void NumbersInBuffers_OutsideTheirRange(string name)
    {
        Backend backend = BackendRegistry.Find(name);
        TestBuffer output = Output(Rows * Width, DType.Float32);
        Refuses(Embed() with { Ids = Ints(0, -1, 0), Output = output },
            "Embedding: 'ids[1]' is -1; expected 0 to 4. Pass ids of this table.", backend);
        Refuses(Embed() with { Ids = Ints(0, 0, int.MaxValue), Output = output },
            "Embedding: 'ids[2]' is 2147483647; expected 0 to 4. Pass ", backend);
        Refuses(Entropy() with { Labels = Ints(0, 4, 0) },
            "SoftmaxCrossEntropy: 'labels[1]' is 4; expected 0 to 3. Pass ", backend);
        Refuses(Entropy() with { Labels = Ints(int.MinValue, 0, 0), IgnoreIndex = -1 },
            "SoftmaxCrossEntropy: 'labels[0]' is -2147483648; expected 0 to 3 or the ignored -1.",
            backend);
        AttentionForward attend = Attend(default);
        Refuses(attend with { Inputs = attend.Inputs with { KeyLengths = Ints(6) } },
            "FusedAttention: 'keyLengths[0]' is 6; expected 0 to 5. Pass ", backend);
        Refuses(new KvCacheAppendForward
        {
            Source = Floats(4), Positions = Ints(int.MaxValue), Cache = Floats(8), Batch = 1,
            NewLength = 1, Capacity = 2, Width = 4,
        }, "KvCacheAppend: 'positions[0]' is 2147483647; expected 0 to 1, so that ", backend);

        // Nothing was written before the check.
        Assert.All(output.Values, x => Assert.True(double.IsNaN(x)));
    }

    private LayerNormForward Norm() => new()
    {
        Input = Floats(12), Output = Floats(12), Rows = Rows, Width = Width,
    };

    private LinearForward Product() => new()
    {
        Input = Floats(12), Weight = Floats(16), Output = Floats(12), Rows = Rows,
        InputFeatures = Width, OutputFeatures = Width,
    };

    private GeluFeedForwardForward Feed() => new()
    {
        Input = Floats(12), Weight1 = Floats(8), Weight2 = Floats(8), Output = Floats(12),
        Rows = Rows, Width = Width, Hidden = 2, OutputWidth = Width, Activation = Activation.Gelu,
    };

    private EmbeddingForward Embed() => new()
    {
        Ids = Ints(0, 1, 2), Table = Floats(20), Output = Floats(12), Rows = Rows,
        SequenceLength = Rows, Width = Width,
    };

    private SoftmaxCrossEntropyForward Entropy() => new()
    {
        Logits = Floats(12), Labels = Ints(0, 1, 2), LogSumExp = Floats(3), Loss = Floats(1),
        Rows = Rows, Classes = Width,
    };

    private DropoutForward Drop() => new()
    {
        Input = Floats(4), Output = Floats(4), RandomState = Longs(1, 2), Length = 4,
        Probability = 0.5f,
    };

    private AdamWForward Step() => new()
    {
        Parameter = Floats(12), Gradient = Floats(12), FirstMoment = Floats(12),
        SecondMoment = Floats(12), Length = 12, LearningRate = 0.1, Beta1 = 0.9, Beta2 = 0.99,
        Epsilon = 1e-8, Step = 1,
    };

    private GradientNormForward Clip() => new()
    {
        Gradient = Floats(4), Norm = Floats(1), ClipScale = Floats(1), Length = 4,
    };

    private AttentionForward Attend(AttentionOptions options) => new()
    {
        Inputs = new()
        {
            Query = Floats(24), Key = Floats(20), Value = Floats(20), Sizes = Sizes,
            Options = options,
        },
        Output = Floats(24),
    };

    private TestBuffer Floats(int count) => Zeros(count, DType.Float32);

    private static void Refuses<TCall>(TCall call, string start, Backend? backend = null)
        where TCall : struct, IOpCall => CallRefusal.Require(call, start, backend);
}
