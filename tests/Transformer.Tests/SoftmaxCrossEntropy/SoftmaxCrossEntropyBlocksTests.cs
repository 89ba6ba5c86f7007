using Transformer.Backends;
using Transformer.Ops;
using CrossEntropy = Transformer.Ops.SoftmaxCrossEntropy;

namespace Transformer.Tests.SoftmaxCrossEntropy;

/// <summary>Rows longer than a block of the vectorised kernel, whose maximum comes early, late or
/// after nothing but hidden classes.</summary>
public class SoftmaxCrossEntropyBlocksTests
{
    private const int Classes = 9001;

    [Theory]
    [InlineData(3, 0f, false)]
    [InlineData(8999, 0f, false)]
    [InlineData(5000, 0f, true)]
    [InlineData(3, 0.1f, false)]
    [InlineData(8999, 0.1f, false)]
    public void Forward_MatchesReference_WhereverTheMaximumLies(
        int peak, float smoothing, bool hidden)
    {
        Random random = new(peak);
        float[] logits = new float[2 * Classes], weights = new float[Classes];
        for (int i = 0; i < logits.Length; i++) logits[i] = (float)(4 * random.NextDouble());
        for (int i = 0; i < Classes; i++) weights[i] = 0.5f + (float)random.NextDouble();
        logits[peak] = 20;
        if (hidden) logits.AsSpan(0, 4500).Fill(float.NegativeInfinity);
        int[] labels = [4600, 17];
        CrossEntropyOptions options = new() { LabelSmoothing = smoothing };
        float[] actual = new float[2], expected = new float[2];
        float loss = CrossEntropy.Forward(
            logits, labels, weights, new(2, Classes), options, actual);
        float exact = CrossEntropy.Forward(
            logits, labels, weights, new(2, Classes), options, expected,
            backend: BackendRegistry.Reference);
        // Sums of 9,001 terms in 16 lanes or fewer: far below 1e-5 of the whole.
        Assert.InRange(loss, exact * (1 - 1e-5f), exact * (1 + 1e-5f));
        for (int row = 0; row < 2; row++)
            Assert.InRange(actual[row], expected[row] - 1e-5f, expected[row] + 1e-5f);
    }
}
