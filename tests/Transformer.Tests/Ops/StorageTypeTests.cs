using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.Storage;

/// <summary>
/// The reference computes in double whatever its buffers hold: with 32- and 16-bit buffers its
/// results are those of double buffers, rounded once.
/// </summary>
public class StorageTypeTests : KernelTest
{
    private static readonly Dictionary<string, Action<StorageTypeTests>> Calls = new()
    {
        ["AdamW"] = t => Reference.Run(new AdamWForward
        {
            Parameter = t.InOut(1, 9),
            Gradient = t.In(2, 9),
            FirstMoment = t.InOut(3, 9),
            SecondMoment = t.InOut(4, 9, x => x * x),
            GradientScale = t.In(5, 1),
            Length = 9,
            LearningRate = 0.1,
            Beta1 = 0.9,
            Beta2 = 0.98,
            Epsilon = 1e-8,
            WeightDecay = 0.1,
            Step = 3,
        }),
        ["Add"] = t => Reference.Run(new AddForward
        {
            Left = t.In(1, 9),
            Right = t.In(2, 9),
            Output = t.Out(9),
            Length = 9,
        }),
        ["Attention"] = t => Reference.Run(new AttentionForward
        {
            Inputs = t.Attention(),
            Output = t.Out(18),
            LogSumExp = t.Out(6),
            Scores = t.Out(24),
            ScoreOutput = ScoreOutput.Masked,
        }),
        ["Attention gradients"] = t => Reference.Run(new AttentionBackward
        {
            Inputs = t.Attention(),
            Output = t.In(4, 18),
            LogSumExp = t.In(5, 6),
            OutputGradient = t.In(6, 18),
            QueryGradient = t.Out(12),
            KeyGradient = t.Out(8),
            ValueGradient = t.Out(12),
            BiasGradient = t.InOut(7, 12),
        }),
        ["Dropout"] = t => Reference.Run(new DropoutForward
        {
            Input = t.In(1, 50),
            Output = t.Out(50),
            RandomState = t.Longs(1, 2),
            Length = 50,
            Probability = 0.3f,
        }),
        ["Embedding"] = t => Reference.Run(new EmbeddingForward
        {
            Ids = t.Ints(0, 2),
            Table = t.In(1, 9),
            PositionTable = t.In(2, 6),
            Output = t.Out(6),
            Rows = 2,
            SequenceLength = 2,
            Width = 3,
            Scale = Math.Sqrt(3),
        }),
        ["Embedding gradients"] = t => Reference.Run(new EmbeddingBackward
        {
            Ids = t.Ints(1, 1),
            OutputGradient = t.In(1, 6),
            TableGradient = t.InOut(2, 9),
            PositionTableGradient = t.InOut(3, 6),
            Rows = 2,
            SequenceLength = 2,
            Width = 3,
            Scale = Math.Sqrt(3),
        }),
        ["FeedForward"] = t => Reference.Run(new GeluFeedForwardForward
        {
            Input = t.In(1, 6),
            Weight1 = t.In(2, 15),
            Bias1 = t.In(3, 5),
            Weight2 = t.In(4, 10),
            Bias2 = t.In(5, 2),
            Output = t.Out(4),
            PreActivation = t.Out(10),
            Rows = 2,
            Width = 3,
            Hidden = 5,
            OutputWidth = 2,
            Activation = Activation.Gelu,
        }),
        ["FeedForward gradients"] = t => Reference.Run(new GeluFeedForwardBackward
        {
            Input = t.In(1, 6),
            Weight1 = t.In(2, 15),
            Weight2 = t.In(4, 10),
            PreActivation = t.In(5, 10),
            OutputGradient = t.In(6, 4),
            InputGradient = t.Out(6),
            Weight1Gradient = t.InOut(7, 15),
            Bias1Gradient = t.InOut(8, 5),
            Weight2Gradient = t.InOut(9, 10),
            Bias2Gradient = t.InOut(10, 2),
            Rows = 2,
            Width = 3,
            Hidden = 5,
            OutputWidth = 2,
            Activation = Activation.GeluTanh,
        }),
        ["GradientNorm"] = t => Reference.Run(new GradientNormForward
        {
            Gradient = t.In(1, 30),
            Norm = t.Out(1),
            ClipScale = t.Out(1),
            Length = 30,
            MaxNorm = 1,
        }),
        ["KvCacheAppend"] = t => Reference.Run(new KvCacheAppendForward
        {
            Source = t.In(1, 4),
            Positions = t.Ints(1),
            Cache = t.InOut(2, 6),
            Batch = 1,
            NewLength = 2,
            Capacity = 3,
            Width = 2,
        }),
        ["LayerNorm"] = t => Reference.Run(new LayerNormForward
        {
            Input = t.In(1, 15),
            Residual = t.In(2, 15),
            Weight = t.In(3, 5),
            Bias = t.In(4, 5),
            Sum = t.Out(15),
            Output = t.Out(15),
            Mean = t.Out(3),
            InverseStd = t.Out(3),
            Rows = 3,
            Width = 5,
        }),
        ["LayerNorm gradients"] = t => Reference.Run(new LayerNormBackward
        {
            Sum = t.In(1, 15),
            Weight = t.In(3, 5),
            Mean = t.In(4, 3),
            InverseStd = t.In(5, 3),
            OutputGradient = t.In(6, 15),
            SumGradient = t.In(7, 15),
            InputGradient = t.Out(15),
            WeightGradient = t.InOut(8, 5),
            BiasGradient = t.InOut(9, 5),
            Rows = 3,
            Width = 5,
        }),
        ["LogSoftmax"] = t => Reference.Run(new LogSoftmaxForward
        {
            Input = t.In(1, 12),
            Output = t.Out(12),
            Outer = 2,
            Length = 3,
            Inner = 2,
        }),
        ["NegativeLogLikelihood"] = t => Reference.Run(new NegativeLogLikelihoodForward
        {
            LogProbabilities = t.In(1, 12),
            Labels = t.Ints(0, 2, 1, 1),
            ClassWeights = t.In(2, 3, x => x * x),
            Losses = t.Out(4),
            Loss = t.Out(1),
            Outer = 2,
            Classes = 3,
            Inner = 2,
        }),
        ["NegativeLogLikelihood gradients"] = t => Reference.Run(new NegativeLogLikelihoodBackward
        {
            Labels = t.Ints(0, 2, 1, 1),
            ClassWeights = t.In(2, 3, x => x * x),
            LossGradient = t.In(3, 1),
            LogProbabilitiesGradient = t.Out(12),
            Outer = 2,
            Classes = 3,
            Inner = 2,
        }),
        ["RmsNorm"] = t => Reference.Run(new RmsNormForward
        {
            Input = t.In(1, 15),
            Residual = t.In(2, 15),
            Weight = t.In(3, 5),
            Sum = t.Out(15),
            Output = t.Out(15),
            InverseRms = t.Out(3),
            Rows = 3,
            Width = 5,
        }),
        ["RmsNorm gradients"] = t => Reference.Run(new RmsNormBackward
        {
            Sum = t.In(1, 15),
            Weight = t.In(3, 5),
            InverseRms = t.In(5, 3),
            OutputGradient = t.In(6, 15),
            SumGradient = t.In(7, 15),
            InputGradient = t.Out(15),
            WeightGradient = t.InOut(8, 5),
            Rows = 3,
            Width = 5,
        }),
        ["Softmax"] = t => Reference.Run(new SoftmaxForward
        {
            Input = t.In(1, 12),
            Output = t.Out(12),
            Outer = 2,
            Length = 3,
            Inner = 2,
        }),
        ["Linear"] = t => Reference.Run(new LinearForward
        {
            Input = t.In(1, 14),
            Weight = t.In(2, 21),
            Bias = t.In(3, 3),
            Output = t.Out(6),
            PreActivation = t.Out(6),
            Rows = 2,
            InputFeatures = 7,
            OutputFeatures = 3,
            Activation = Activation.Gelu,
        }),
        ["Linear gradients"] = t => Reference.Run(new LinearBackward
        {
            Input = t.In(1, 14),
            Weight = t.In(2, 21),
            PreActivation = t.In(3, 6),
            OutputGradient = t.In(4, 6),
            InputGradient = t.Out(14),
            WeightGradient = t.InOut(5, 21),
            BiasGradient = t.InOut(6, 3),
            Rows = 2,
            InputFeatures = 7,
            OutputFeatures = 3,
            Activation = Activation.Gelu,
        }),
        ["RotaryEmbedding"] = t => Reference.Run(new RotaryEmbeddingForward
        {
            Inputs = t.Rotary(),
            Input = t.In(1, 20),
            Output = t.Out(20),
        }),
        ["RotaryEmbedding gradient"] = t => Reference.Run(new RotaryEmbeddingBackward
        {
            Inputs = t.Rotary(),
            OutputGradient = t.In(1, 20),
            InputGradient = t.Out(20),
        }),
        ["CrossEntropy"] = t => Reference.Run(new SoftmaxCrossEntropyForward
        {
            Logits = t.In(1, 15),
            Labels = t.Ints(0, 4, 2),
            RowLosses = t.Out(3),
            LogSumExp = t.Out(3),
            Loss = t.Out(1),
            Rows = 3,
            Classes = 5,
            LabelSmoothing = 0.1,
        }),
        ["CrossEntropy gradient"] = t => Reference.Run(new SoftmaxCrossEntropyBackward
        {
            Logits = t.In(1, 15),
            Labels = t.Ints(0, 4, 2),
            LogSumExp = t.In(2, 3),
            LossGradient = t.In(3, 1),
            LogitsGradient = t.Out(15),
            Rows = 3,
            Classes = 5,
            LabelSmoothing = 0.1,
        }),
    };

    private readonly List<TestBuffer> outputs = [];
    private DType rounding;
    private DType stored;

    public static TheoryData<string, DType> Cases
    {
        get
        {
            TheoryData<string, DType> rows = [];
            foreach (string name in Calls.Keys)
                foreach (DType type in new[] { DType.Float32, DType.Float16, DType.BFloat16 })
                    rows.Add(name, type);
            return rows;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Results_AreRoundedOnce(string name, DType type)
    {
        double[][] exact = Run(name, type, DType.Float64);
        double[][] actual = Run(name, type, type);
        Assert.NotEmpty(exact);
        for (int i = 0; i < exact.Length; i++)
        {
            Numbers.Same(Real(exact[i], type).Values, actual[i], $"{name}, output {i}");
            Assert.DoesNotContain(actual[i], double.IsNaN);
        }
    }

    private double[][] Run(string name, DType inputs, DType buffers)
    {
        outputs.Clear();
        (rounding, stored) = (inputs, buffers);
        Calls[name](this);
        return [.. outputs.Select(buffer => buffer.Values)];
    }

    // Numbers that the narrow type holds exactly, whatever type the buffer has.
    private TestBuffer In(int seed, int count, Func<double, double>? map = null)
    {
        double[] values = [.. Numbers.Normal(seed, count).Select(map ?? (x => x))];
        return Real(Real(values, rounding).Values, stored);
    }

    private TestBuffer InOut(int seed, int count, Func<double, double>? map = null)
    {
        TestBuffer buffer = In(seed, count, map);
        outputs.Add(buffer);
        return buffer;
    }

    private TestBuffer Out(int count)
    {
        TestBuffer buffer = Output(count, stored);
        outputs.Add(buffer);
        return buffer;
    }

    private RotaryInputs Rotary() => new()
    {
        Tables = new() { Cosines = In(21, 4), Sines = In(22, 4), RotaryDimension = 4 },
        Sizes = new(1, 2, 2, 5),
    };

    private AttentionInputs Attention() => new()
    {
        Query = In(11, 12),
        Key = In(12, 8),
        Value = In(13, 12),
        Bias = In(14, 12),
        BiasLayout = new(0, 0, 4, 4),
        Sizes = new(1, 2, 1, 3, 4, 2, 3),
        Options = new() { Causal = CausalAlignment.TopLeft, SoftCap = 3 },
    };
}
