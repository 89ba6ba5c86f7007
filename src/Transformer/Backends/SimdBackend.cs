using System.Globalization;
using Transformer.Numerics;
using Transformer.Ops;

namespace Transformer.Backends;

/// <summary>
/// Vectorised, multi-threaded kernels for any CPU: 512-, 256- or 128-bit vectors, whichever the
/// machine accelerates.
/// </summary>
public sealed class SimdBackend : Backend
{
    private SimdBackend()
    {
        Register(new ActivationBackwardSimd());
        Register(new ActivationForwardSimd());
        Register(new AdamWSimd());
        Register(new AddForwardSimd());
        Register(new DropoutBackwardSimd());
        Register(new DropoutForwardSimd());
        Register(new AttentionMergeSimd());
        Register(new EmbeddingBackwardSimd());
        Register(new EmbeddingForwardSimd());
        Register(new FusedAttentionBackwardSimd());
        Register(new FusedAttentionForwardSimd());
        Register(new GeluFeedForwardBackwardSimd());
        Register(new GeluFeedForwardForwardSimd());
        Register(new GradientNormSimd());
        Register(new KvCacheAppendForwardSimd());
        Register(new LayerNormBackwardSimd());
        Register(new LayerNormForwardSimd());
        Register(new LinearBackwardSimd());
        Register(new LinearForwardSimd());
        Register(new LogSoftmaxForwardSimd());
        Register(new LstmBackwardSimd());
        Register(new LstmForwardSimd());
        Register(new NegativeLogLikelihoodBackwardSimd());
        Register(new NegativeLogLikelihoodForwardSimd());
        Register(new RmsNormBackwardSimd());
        Register(new RmsNormForwardSimd());
        Register(new RotaryEmbeddingBackwardSimd());
        Register(new RotaryEmbeddingForwardSimd());
        Register(new SamplingSimd());
        Register(new SoftmaxCrossEntropyBackwardSimd());
        Register(new SoftmaxCrossEntropyForwardSimd());
        Register(new SoftmaxForwardSimd());
        Register(new TopKSimd());
    }

    /// <summary>The only instance.</summary>
    public static SimdBackend Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "simd";

    /// <inheritdoc/>
    public override string Device => string.Create(
        CultureInfo.InvariantCulture,
        $"CPU, {SimdDispatch.VectorBits}-bit vectors, {CpuParallel.ThreadCount} threads");

    /// <inheritdoc/>
    public override int Priority => 10;
}
