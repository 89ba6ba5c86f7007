using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.SamplePlugin;

/// <summary>Two right kernels, a wrong one, and an op of its own.</summary>
public sealed class SamplePlugin : IKernelPlugin
{
    /// <inheritdoc/>
    public IEnumerable<Backend> Backends =>
    [
        new KernelBackend("sample")
            .AddAttentionForward(new SampleAttention(slip: 0).Forward)
            .Add(new SampleLayerNorm())
            .Add<BlendForward>(Blend.Run, Blend.Lacks),
        new KernelBackend("sample-wrong")
            .AddAttentionForward(new SampleAttention(slip: 1).Forward),
    ];

    /// <inheritdoc/>
    public IEnumerable<ParityCase> Cases => Blend.Cases();

    /// <inheritdoc/>
    public IEnumerable<BenchCase> BenchCases(BenchSize size) => Blend.Bench(size);
}
