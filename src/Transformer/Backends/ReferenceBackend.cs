using Transformer.Ops;

namespace Transformer.Backends;

/// <summary>The definition: plain loops with double accumulation, every option, one thread.
/// </summary>
/// <remarks>Takes float, double, Half and BFloat16 buffers; rounds once, on writing.</remarks>
public sealed class ReferenceBackend : Backend
{
    private ReferenceBackend()
    {
        Register<ActivationBackward>(new ActivationReference());
        Register<ActivationForward>(new ActivationReference());
        Register<AdamWForward>(new AdamWReference());
        Register<AddForward>(new AddReference());
        Register<AttentionBackward>(new FusedAttentionReference());
        Register<AttentionForward>(new FusedAttentionReference());
        Register<AttentionMergeForward>(new AttentionMergeReference());
        Register<DropoutBackward>(new DropoutReference());
        Register<DropoutForward>(new DropoutReference());
        Register<EmbeddingBackward>(new EmbeddingReference());
        Register<EmbeddingForward>(new EmbeddingReference());
        Register<GeluFeedForwardBackward>(new GeluFeedForwardReference());
        Register<GeluFeedForwardForward>(new GeluFeedForwardReference());
        Register<GradientNormForward>(new GradientNormReference());
        Register<KvCacheAppendForward>(new KvCacheAppendReference());
        Register<LayerNormBackward>(new LayerNormReference());
        Register<LayerNormForward>(new LayerNormReference());
        Register<LinearBackward>(new LinearReference());
        Register<LinearForward>(new LinearReference());
        Register<LogSoftmaxForward>(new LogSoftmaxReference());
        Register<LstmBackward>(new LstmReference());
        Register<LstmForward>(new LstmReference());
        Register<NegativeLogLikelihoodBackward>(new NegativeLogLikelihoodReference());
        Register<NegativeLogLikelihoodForward>(new NegativeLogLikelihoodReference());
        Register<RmsNormBackward>(new RmsNormReference());
        Register<RmsNormForward>(new RmsNormReference());
        Register<RotaryEmbeddingBackward>(new RotaryEmbeddingReference());
        Register<RotaryEmbeddingForward>(new RotaryEmbeddingReference());
        Register<SamplingForward>(new SamplingReference());
        Register<SoftmaxCrossEntropyBackward>(new SoftmaxCrossEntropyReference());
        Register<SoftmaxCrossEntropyForward>(new SoftmaxCrossEntropyReference());
        Register<SoftmaxForward>(new SoftmaxReference());
        Register<TopKForward>(new TopKReference());
    }

    /// <summary>The only instance.</summary>
    public static ReferenceBackend Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "reference";

    /// <inheritdoc/>
    public override string Device => "CPU, plain C# in double precision";

    /// <inheritdoc/>
    public override int Priority => 0;
}
