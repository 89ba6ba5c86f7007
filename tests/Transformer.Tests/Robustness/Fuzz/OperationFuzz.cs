using Transformer.Ops;
using Kernels = Transformer.Ops;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>Random calls of every entry on spans but attention's.</summary>
internal static partial class OperationFuzz
{
    public static void LinearForward(FuzzCall c)
    {
        LinearSizes s = new(c.Size("rows", 0, 9), c.Size("in", 1, 40), c.Size("out", 1, 40));
        Activation activation = c.Named<Activation>("activation");
        Int128 outputs = (Int128)s.Rows * s.OutputFeatures;
        Kernels.Linear.Forward(c.In("input", (Int128)s.Rows * s.InputFeatures),
            c.In("weight", (Int128)s.OutputFeatures * s.InputFeatures),
            c.InOrNone("bias", s.OutputFeatures), s, new() { Activation = activation },
            c.Out("output", outputs), c.OutOrNone("preActivation", outputs), c.Backend());
    }

    public static void LinearBackward(FuzzCall c)
    {
        LinearSizes s = new(c.Size("rows", 0, 9), c.Size("in", 1, 40), c.Size("out", 1, 40));
        Activation activation = c.Named<Activation>("activation");
        Int128 inputs = (Int128)s.Rows * s.InputFeatures;
        Int128 outputs = (Int128)s.Rows * s.OutputFeatures;
        Int128 weights = (Int128)s.InputFeatures * s.OutputFeatures;
        Kernels.Linear.Backward(c.In("input", inputs), c.In("weight", weights),
            activation != Activation.None || c.Wrong() ? c.In("preActivation", outputs) : default,
            c.In("outputGradient", outputs), s, new() { Activation = activation },
            c.Out("inputGradient", inputs), c.Updated("weightGradient", weights),
            c.UpdatedOrNone("biasGradient", s.OutputFeatures), c.Backend());
    }

    public static void LayerNormForward(FuzzCall c)
    {
        LayerNormSizes s = new(c.Size("rows", 0, 9), c.Size("width", 1, 70));
        Int128 all = (Int128)s.Rows * s.Width;
        bool residual = c.Flag("residual");
        LayerNormOptions options = new() { Epsilon = c.Number("epsilon", 0, 1e-5, 1e-12) };
        Kernels.LayerNorm.Forward(c.In("input", all), residual ? c.In("residual", all) : default,
            c.InOrNone("weight", s.Width), c.InOrNone("bias", s.Width), s, options,
            c.Out("output", all), residual ? c.Out("sum", all) : default,
            c.OutOrNone("mean", s.Rows), c.OutOrNone("inverseStd", s.Rows), c.Backend());
    }

    public static void LayerNormBackward(FuzzCall c)
    {
        LayerNormSizes s = new(c.Size("rows", 0, 9), c.Size("width", 1, 70));
        Int128 all = (Int128)s.Rows * s.Width;
        Kernels.LayerNorm.Backward(c.In("sum", all), c.InOrNone("weight", s.Width),
            c.In("mean", s.Rows), c.In("inverseStd", s.Rows), c.In("outputGradient", all), s,
            c.Out("inputGradient", all), c.UpdatedOrNone("weightGradient", s.Width),
            c.UpdatedOrNone("biasGradient", s.Width), c.InOrNone("sumGradient", all), c.Backend());
    }

    public static void FeedForwardForward(FuzzCall c)
    {
        FeedForwardSizes s = FeedForward(c);
        Activation activation = c.Named<Activation>("activation");
        Kernels.GeluFeedForward.Forward(c.In("input", (Int128)s.Rows * s.Width), new()
        {
            Weight1 = c.In("weight1", (Int128)s.Width * s.Hidden),
            Bias1 = c.InOrNone("bias1", s.Hidden),
            Weight2 = c.In("weight2", (Int128)s.OutputWidth * s.Hidden),
            Bias2 = c.InOrNone("bias2", s.OutputWidth),
        }, s, new() { Activation = activation },
            c.Out("output", (Int128)s.Rows * s.OutputWidth),
            c.OutOrNone("preActivation", (Int128)s.Rows * s.Hidden), c.Backend());
    }

    public static void FeedForwardBackward(FuzzCall c)
    {
        FeedForwardSizes s = FeedForward(c);
        Activation activation = c.Named<Activation>("activation");
        Int128 first = (Int128)s.Width * s.Hidden, second = (Int128)s.OutputWidth * s.Hidden;
        Kernels.GeluFeedForward.Backward(c.In("input", (Int128)s.Rows * s.Width), new()
        {
            Weight1 = c.In("weight1", first), Weight2 = c.In("weight2", second),
        }, c.In("preActivation", (Int128)s.Rows * s.Hidden),
            c.In("outputGradient", (Int128)s.Rows * s.OutputWidth), s,
            new() { Activation = activation },
            c.Out("inputGradient", (Int128)s.Rows * s.Width), new()
            {
                Weight1 = c.Updated("weight1Gradient", first),
                Bias1 = c.UpdatedOrNone("bias1Gradient", s.Hidden),
                Weight2 = c.Updated("weight2Gradient", second),
                Bias2 = c.UpdatedOrNone("bias2Gradient", s.OutputWidth),
            }, c.Backend());
    }

    public static void EmbeddingForward(FuzzCall c)
    {
        EmbeddingSizes s = Embedding(c);
        bool positions = c.Flag("positions"), segments = c.Flag("segments");
        EmbeddingOptions options = new() { Scale = c.Number("scale", 0, 1, 8) };
        Kernels.Embedding.Forward(
            Ids(c, s, positions, segments), c.In("table", 7 * (Int128)s.Width),
            positions ? c.In("positionTable", 6 * (Int128)s.Width) : default,
            segments ? c.In("segmentTable", 2 * (Int128)s.Width) : default, s, options,
            c.Out("output", (Int128)s.Rows * s.Width), c.Backend());
    }

    public static void EmbeddingBackward(FuzzCall c)
    {
        EmbeddingSizes s = Embedding(c);
        bool positions = c.Flag("positions"), segments = c.Flag("segments");
        EmbeddingOptions options = new() { Scale = c.Number("scale", 0, 1, 8) };
        Kernels.Embedding.Backward(Ids(c, s, positions, segments),
            c.In("outputGradient", (Int128)s.Rows * s.Width), s, options,
            c.Updated("tableGradient", 7 * (Int128)s.Width),
            positions ? c.Updated("positionTableGradient", 6 * (Int128)s.Width) : default,
            segments ? c.Updated("segmentTableGradient", 2 * (Int128)s.Width) : default,
            c.Backend());
    }

    public static void CrossEntropyForward(FuzzCall c)
    {
        CrossEntropySizes s = new(c.Size("rows", 0, 9), c.Size("classes", 1, 70));
        CrossEntropyOptions options = CrossEntropy(c);
        Kernels.SoftmaxCrossEntropy.Forward(c.In("logits", (Int128)s.Rows * s.Classes),
            c.Ids("labels", s.Rows, 0, s.Classes - 1L), Weights(c, s.Classes), s, options,
            c.Out("logSumExp", s.Rows),
            c.OutOrNone("rowLosses", s.Rows), c.Backend());
    }

    public static void CrossEntropyBackward(FuzzCall c)
    {
        CrossEntropySizes s = new(c.Size("rows", 0, 9), c.Size("classes", 1, 70));
        CrossEntropyOptions options = CrossEntropy(c);
        Int128 all = (Int128)s.Rows * s.Classes;
        Kernels.SoftmaxCrossEntropy.Backward(c.In("logits", all),
            c.Ids("labels", s.Rows, 0, s.Classes - 1L), Weights(c, s.Classes),
            c.In("logSumExp", s.Rows),
            (float)c.Number("lossGradient", 1, -2, double.NaN), s, options,
            c.Out("logitsGradient", all), c.Backend());
    }

    public static void DropoutBoth(FuzzCall c)
    {
        int length = c.Size("length", 0, 200);
        DropoutOptions options = new((float)c.Number("probability", 0, 0.1, 0.9),
            c.Of(0, 1, long.MinValue, long.MaxValue), c.Of(0, long.MinValue, long.MaxValue),
            (uint)c.Of(0, 1, -1));
        if (c.Flag("backward"))
        {
            Kernels.Dropout.Backward(
                c.In("outputGradient", length), options, c.Out("inputGradient", length),
                c.Backend());
        }
        else
        {
            Kernels.Dropout.Forward(
                c.In("input", length), options, c.Out("output", length), c.Backend());
        }
    }

    public static void AdamW(FuzzCall c)
    {
        int length = c.Size("length", 0, 200);
        AdamWOptions options = new(c.Number("rate", 0.1, 0), c.Number("beta1", 0.9, 0),
            c.Number("beta2", 0.99, 0), c.Number("epsilon", 1e-8), c.Number("decay", 0, 0.01));
        Kernels.AdamW.Step(c.In("gradient", length), (float)c.Number("scale", 1, 0.5),
            c.Int("step", 1, 2, int.MaxValue), options, c.Updated("parameter", length),
            c.Updated("firstMoment", length), c.Updated("secondMoment", length), c.Backend());
    }

    public static void GradientNorm(FuzzCall c) => Kernels.GradientNorm.Compute(
        c.In("gradient", c.Size("length", 0, 300)), c.Number("maxNorm", 0, 1, 1e-30),
        c.Backend());

    public static void ActivationBoth(FuzzCall c)
    {
        int length = c.Size("length", 0, 200);
        Activation activation = c.Named<Activation>("activation");
        if (c.Flag("backward"))
        {
            Kernels.Activations.Backward(c.In("input", length), c.In("outputGradient", length),
                activation, c.Out("inputGradient", length), c.Backend());
        }
        else
        {
            Kernels.Activations.Forward(
                c.In("input", length), activation, c.Out("output", length), c.Backend());
        }
    }

    public static void Add(FuzzCall c)
    {
        int length = c.Size("length", 0, 200);
        Kernels.Add.Forward(c.In("left", length), c.In("right", length), c.Out("output", length),
            c.Backend());
    }

    private static FeedForwardSizes FeedForward(FuzzCall c) => new(
        c.Size("rows", 0, 9), c.Size("width", 1, 24), c.Size("hidden", 1, 40),
        c.Size("output width", 1, 24));

    private static EmbeddingSizes Embedding(FuzzCall c)
    {
        int length = c.Size("length", 1, 5), sequences = c.Size("sequences", 0, 3);
        int rows = unchecked(length * sequences) + (c.Wrong() ? 1 : 0);
        return new(rows, length, c.Size("width", 1, 40));
    }

    private static EmbeddingIds Ids(
        FuzzCall c, EmbeddingSizes s, bool positions, bool segments) => new()
        {
            Tokens = c.Ids("tokens", s.Rows, 0, 6),
            Positions = positions && c.OneIn(2) ? c.Ids("positions", s.Rows, 0, 5) : default,
            Segments = segments ? c.Ids("segments", s.Rows, 0, 1) : default,
        };

    private static CrossEntropyOptions CrossEntropy(FuzzCall c) => new()
    {
        LabelSmoothing = (float)c.Number("smoothing", 0, 0.1),
        IgnoreIndex = c.OneIn(2) ? null : c.Of(-1, 0, int.MinValue),
        Reduction = c.Named<LossReduction>("reduction"),
    };
}
