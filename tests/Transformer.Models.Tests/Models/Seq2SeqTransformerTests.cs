using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Tests.Models;

/// <summary>Graphs of training and evaluation, attention maps.</summary>
public sealed class Seq2SeqTransformerTests
{
    /// <summary>Some fifty roundings of 6e-8 one after the other, in another order of summation
    /// than the reference's, grown by the softmax of scores up to 10.</summary>
    private const double Tolerance = 2e-5;

    [Theory]
    [MemberData(nameof(TestModels.Variants), MemberType = typeof(TestModels))]
    public void LossAndGradients_AgreeWithTheReference(string variant)
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Variant(variant));
        using Seq2SeqTransformer reference =
            TestModels.Make(TestModels.Variant(variant), BackendRegistry.Reference);
        Seq2SeqTransformer[] models = [model, reference];
        double[] losses = Array.ConvertAll(models, m =>
        {
            CompiledGraph graph = m.TrainingGraph(2, 5, 4, 0.1);
            TestModels.Feed(graph);
            graph.Forward();
            double loss = graph.Output<float>("loss")[0];
            graph.Backward();
            return loss;
        });
        Assert.InRange(losses[0], losses[1] * (1 - Tolerance), losses[1] * (1 + Tolerance));
        Parameter[] trained = [.. reference.Parameters.All.Where(p => p.Trainable)];
        double largest = trained.Max(p => TestModels.Gradient(p).Max(Math.Abs));
        foreach (Parameter parameter in trained)
        {
            float[] expected = TestModels.Gradient(parameter);
            float[] actual = TestModels.Gradient(model.Parameters[parameter.Name]);
            double worst = expected.Zip(actual, (x, y) => Math.Abs((double)x - y)).Max();
            Assert.True(worst < Tolerance * largest, $"{parameter.Name}: {worst:E2} of {largest}");

            // A key bias shifts all scores of a row alike, unless keys are rotated: its gradient
            // is zero but for rounding.
            // Those of queries are small differences of large terms, hence the wider bound; a
            // wrong term would show in the first digits.
            double own = expected.Max(Math.Abs);
            bool vanishes = parameter.Name.EndsWith(variant == "rotary"
                ? ".crossAttention.key.bias" : ".key.bias", StringComparison.Ordinal);
            Assert.True(vanishes ? own < Tolerance * largest : worst < 1e-3 * own,
                $"{parameter.Name}: {worst:E2} of {own:E2}");
        }
    }

    [Fact]
    public void EveryNode_AgreesWithTheReference()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        GraphDifference? difference = GraphDebugger.Compare(
            model.BuildLoss(2, 5, 4, 0.1, withLogits: false),
            new() { Backend = BackendRegistry.Cpu }, BackendRegistry.Reference,
            TestModels.Feed, 1e-5); // one kernel at a time: products of up to 24 terms
        Assert.Null(difference);
    }

    [Fact]
    public void Padding_ChangesNothing()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        CompiledGraph padded = model.EvaluationGraph(2, 5, 4);
        TestModels.Feed(padded);
        padded.Forward();
        float[] first = padded.Output<float>("logits")[..(4 * TestModels.Vocabulary)].ToArray();
        float[] second = padded.Output<float>("logits").Slice(
            4 * TestModels.Vocabulary, 2 * TestModels.Vocabulary).ToArray();
        double loss = padded.Output<float>("loss")[0];

        CompiledGraph a = model.EvaluationGraph(1, 5, 4);
        a.Feed<int>("source", [5, 6, 7, 8, 3]);
        a.Feed<int>("sourceLengths", [5]);
        a.Feed<int>("target", [2, 11, 12, 13]);
        a.Feed<int>("labels", [11, 12, 13, 3]);
        a.Forward();
        double separate = a.Output<float>("loss")[0];
        AssertClose(a.Output<float>("logits"), first);

        CompiledGraph b = model.EvaluationGraph(1, 3, 2);
        b.Feed<int>("source", [9, 10, 3]);
        b.Feed<int>("sourceLengths", [3]);
        b.Feed<int>("target", [2, 14]);
        b.Feed<int>("labels", [14, 3]);
        b.Forward();
        AssertClose(b.Output<float>("logits"), second);
        Assert.Equal(loss, separate + b.Output<float>("loss")[0], 4); // loss of about 20, fp32
    }

    [Fact]
    public void Decoder_DoesNotSeeTheFuture()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        CompiledGraph graph = model.EvaluationGraph(2, 5, 4);
        TestModels.Feed(graph);
        graph.Forward();
        float[] before = graph.Output<float>("logits").ToArray();
        graph.Feed<int>("target", [2, 11, 12, 18, 2, 14, 7, 8]);
        graph.Forward();
        ReadOnlySpan<float> after = graph.Output<float>("logits");
        int row = TestModels.Vocabulary;
        Assert.Equal(before[..(3 * row)], after[..(3 * row)].ToArray());
        Assert.Equal(before[(4 * row)..(6 * row)], after[(4 * row)..(6 * row)].ToArray());
        Assert.NotEqual(before[(3 * row)..(4 * row)], after[(3 * row)..(4 * row)].ToArray());
    }

    [Fact]
    public void Graphs_AreCompiledOnce()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        Assert.Same(model.TrainingGraph(2, 5, 4, 0.1), model.TrainingGraph(2, 5, 4, 0.1));
        Assert.Same(model.EvaluationGraph(2, 5, 4), model.EvaluationGraph(2, 5, 4));
        Assert.NotSame(model.EvaluationGraph(2, 5, 4), model.EvaluationGraph(2, 4, 4));
    }

    [Fact]
    public void Dropout_ActsInTrainingAlone()
    {
        using Seq2SeqTransformer model =
            TestModels.Make(TestModels.Config with { Dropout = 0.3 });
        CompiledGraph training = model.TrainingGraph(2, 5, 4, 0);
        TestModels.Feed(training);
        float[] losses = [.. new[] { 1, 2, 1 }.Select(step =>
        {
            training.Step = step;
            training.Forward();
            return training.Output<float>("loss")[0];
        })];
        CompiledGraph evaluation = model.EvaluationGraph(2, 5, 4);
        TestModels.Feed(evaluation);
        evaluation.Forward();
        Assert.Equal(losses[0], losses[2]);
        Assert.NotEqual(losses[0], losses[1]);
        Assert.NotEqual(losses[0], evaluation.Output<float>("loss")[0]);
    }

    [Theory]
    [InlineData(0, 5, 4, "Seq2SeqTransformer: 'batch' has size 0; expected 1 or more.")]
    [InlineData(1, 41, 4, "Seq2SeqTransformer: source has 41 tokens; the model has 40 positions. " +
        "Shorten or split the sentence, or train a model with a larger maxPositions.")]
    [InlineData(1, 4, 99, "Seq2SeqTransformer: target has 99 tokens; the model has 40 positions. " +
        "Shorten or split the sentence, or train a model with a larger maxPositions.")]
    public void Graphs_RefuseBadSizes(int batch, int source, int target, string message)
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        Assert.Equal(message, Assert.Throws<ArgumentException>(
            () => model.EvaluationGraph(batch, source, target)).Message);
    }

    [Fact]
    public void Attention_RowsSumToOne()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        AttentionMaps maps = model.Attention([5, 6, 7, 8, 3], [2, 11, 12]);
        Check(maps.EncoderSelf, 5, 5);
        Check(maps.DecoderSelf, 3, 3);
        Check(maps.Cross, 3, 5);
        Assert.All(maps.DecoderSelf, m =>
        {
            Assert.Equal([0, 0], m.Row(1, 0)[1..].ToArray());
            Assert.Equal(0, m.Row(0, 1)[2]);
        });
        Assert.NotEqual(maps.Cross[0].Row(0, 1).ToArray(), maps.Cross[0].Row(1, 1).ToArray());

        static void Check(IReadOnlyList<AttentionMap> layers, int queries, int keys)
        {
            Assert.Equal(2, layers.Count);
            foreach (AttentionMap map in layers)
            {
                Assert.Equal((2, queries, keys), (map.Heads, map.Queries, map.Keys));
                Assert.Equal(2 * queries * keys, map.Weights.Length);
                for (int row = 0; row < 2 * queries; row++)
                {
                    float[] weights = map.Row(row / queries, row % queries).ToArray();
                    Assert.All(weights, w => Assert.InRange(w, 0, 1 + 1e-6f));
                    Assert.Equal(1, weights.Sum(w => (double)w), 5); // fp32 softmax
                }
            }
        }
    }

    [Fact]
    public void Attention_RefusesBadSentences()
    {
        using Seq2SeqTransformer model = TestModels.Make(TestModels.Config);
        Assert.Equal(
            "Seq2SeqTransformer: the source is empty; expected 1 to 40 tokens. Leave it out.",
            Assert.Throws<ArgumentException>(() => model.Attention([], [2])).Message);
        Assert.Equal(
            "Seq2SeqTransformer: the target has the token 19; expected 0 to 18. Use the model's " +
            "own tokenizer.",
            Assert.Throws<ArgumentException>(() => model.Attention([5], [2, 19])).Message);
    }

    private static void AssertClose(ReadOnlySpan<float> actual, float[] expected) => Assert.True(
        TestModels.RelativeError(actual, Array.ConvertAll(expected, x => (double)x)) < Tolerance);
}
