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
        AttentionTables tables = new(queue);
        Register(new FusedAttentionForwardIlgpu(queue, tables));
        Register(new FusedAttentionBackwardIlgpu(queue, tables));
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

    /// <summary>The context in which its kernels run, a CUcontext, and the stream that they enter,
    /// a CUstream; both are the backend's own.</summary>
    /// <remarks>ILGPU makes a context of its own and cannot enter another's, but others can enter
    /// it: <c>CudaBackend.InContext(context, stream)</c> gives a backend of CUDA C kernels whose
    /// tensors these kernels take as they are, and the other way round, in one order and without a
    /// copy. So does any memory allocated in that context: view it with <c>new
    /// BufferView(address, length, dtype)</c>.</remarks>
    /// <exception cref="NotSupportedException">The backend is not for NVIDIA GPUs, or none can be
    /// used; says why.</exception>
    public (nint Context, nint Stream) Cuda => queue.UnavailableReason is { } reason
        ? throw new NotSupportedException($"{Name}: {reason}.")
        : queue.Cuda is { Context: not 0 } cuda ? cuda : throw new NotSupportedException(
            $"{Name}: it runs on {queue.Device}, which has no CUDA context. Use ilgpu-cuda.");

    /// <inheritdoc/>
    public override IDeviceTimer? CreateTimer() => queue.CreateTimer();

    /// <inheritdoc/>
    public override void Synchronize()
    {
        if (queue.UnavailableReason is null) queue.Synchronize();
    }
}
