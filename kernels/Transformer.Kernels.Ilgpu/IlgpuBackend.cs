using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Activations;
using Transformer.Kernels.Ilgpu.AdamW;
using Transformer.Kernels.Ilgpu.Add;
using Transformer.Kernels.Ilgpu.AttentionMerge;
using Transformer.Kernels.Ilgpu.Dropout;
using Transformer.Kernels.Ilgpu.Embedding;
using Transformer.Kernels.Ilgpu.FusedAttention;
using Transformer.Kernels.Ilgpu.GeluFeedForward;
using Transformer.Kernels.Ilgpu.GradientNorm;
using Transformer.Kernels.Ilgpu.KvCacheAppend;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Kernels.Ilgpu.LayerNorm;
using Transformer.Kernels.Ilgpu.Linear;
using Transformer.Kernels.Ilgpu.NegativeLogLikelihood;
using Transformer.Kernels.Ilgpu.RmsNorm;
using Transformer.Kernels.Ilgpu.RotaryEmbedding;
using Transformer.Kernels.Ilgpu.Sampling;
using Transformer.Kernels.Ilgpu.Softmax;
using Transformer.Kernels.Ilgpu.SoftmaxCrossEntropy;
using Transformer.Kernels.Ilgpu.TopK;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu;

/// <summary>Kernels in C# that ILGPU compiles for a device.</summary>
/// <remarks>Kernels enter one queue and run in the order of the calls; safe to call from many
/// threads.</remarks>
public sealed class IlgpuBackend : Backend
{
    private readonly KernelQueue queue;

    internal IlgpuBackend(string name, int priority, KernelQueue queue)
    {
        this.queue = queue;
        Name = name;
        Priority = priority;
        Register(new LayerNormForwardIlgpu(queue));
        Register(new LayerNormBackwardIlgpu(queue));
        Register(new RmsNormForwardIlgpu(queue));
        Register(new RmsNormBackwardIlgpu(queue));
        Register(new LinearForwardIlgpu(queue));
        Register(new LinearBackwardIlgpu(queue));
        Register(new GeluFeedForwardForwardIlgpu(queue));
        Register(new GeluFeedForwardBackwardIlgpu(queue));
        Register(new FusedAttentionForwardIlgpu(queue));
        Register(new FusedAttentionBackwardIlgpu(queue));
        DropoutIlgpu dropout = new(queue);
        Register<DropoutForward>(dropout);
        Register<DropoutBackward>(dropout);
        RotaryEmbeddingIlgpu rotary = new(queue);
        Register<RotaryEmbeddingForward>(rotary);
        Register<RotaryEmbeddingBackward>(rotary);
        Register(new SoftmaxCrossEntropyForwardIlgpu(queue));
        Register(new SoftmaxCrossEntropyBackwardIlgpu(queue));
        Register(new AdamWIlgpu(queue));
        Register(new EmbeddingForwardIlgpu(queue));
        Register(new EmbeddingBackwardIlgpu(queue));
        Register(new AddIlgpu(queue));
        ActivationIlgpu activation = new(queue);
        Register<ActivationForward>(activation);
        Register<ActivationBackward>(activation);
        SoftmaxIlgpu softmax = new(queue);
        Register<SoftmaxForward>(softmax);
        Register<LogSoftmaxForward>(softmax);
        Register(new NegativeLogLikelihoodForwardIlgpu(queue));
        Register(new NegativeLogLikelihoodBackwardIlgpu(queue));
        Register(new AttentionMergeIlgpu(queue));
        Register(new KvCacheAppendIlgpu(queue));
        Register(new GradientNormIlgpu(queue));
        Register(new TopKIlgpu(queue));
        Register(new SamplingIlgpu(queue));
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override string Device => queue.Device;

    /// <inheritdoc/>
    public override string? UnavailableReason => queue.UnavailableReason;

    /// <inheritdoc/>
    public override int Priority { get; }

    /// <inheritdoc/>
    public override BackendMemory Memory =>
        queue.UnavailableReason is null ? queue.Memory : BackendMemory.Host;

    /// <inheritdoc/>
    public override void Synchronize()
    {
        if (queue.UnavailableReason is null) queue.Synchronize();
    }
}
