using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Tests.FusedAttention;

/// <summary>Every parity case at every vector width, whatever this machine would choose.</summary>
public sealed class FusedAttentionWidthTests
{
    [Fact]
    public void VectorsOf512And256And128Bits_MatchReference()
    {
        // Together, so that each case's reference is computed once.
        Backend[] widths =
            [new WidthBackend<Simd512>(), new WidthBackend<Simd256>(), new WidthBackend<Simd128>()];
        ParityResult[] results = [.. ParityCases.Select(["FusedAttention"], quick: false)
            .SelectMany(c => c.RunAll(widths))];

        Assert.True(results.All(r => !r.Failed),
            string.Join('\n', results.Where(r => r.Failed).Take(20)));
        Assert.Equal(widths.Length, results.GroupBy(r => r.Backend).Count());
        foreach (IGrouping<string, ParityResult> width in results.GroupBy(r => r.Backend))
        {
            Assert.True(width.Count(r => r.Passed) > 300, $"{width.Key}: too few cases ran");
            Assert.DoesNotContain(width, r => r.DType == DType.Float32 && !r.Passed);
        }
    }

    private sealed class WidthBackend<T> : Backend where T : struct, ISimdFloat<T>
    {
        public WidthBackend()
        {
            Register(new Forward());
            Register(new Backward());
        }

        public override string Name => typeof(T).Name;

        public override string Device => "CPU";

        public override int Priority => -1;

        private sealed class Forward : IKernel<AttentionForward>
        {
            public bool Supports(in AttentionForward call, out string? reason) =>
                new FusedAttentionForwardSimd().Supports(call, out reason);

            public void Run(in AttentionForward call) => FusedAttentionForwardSimd.Run<T>(call);
        }

        private sealed class Backward : IKernel<AttentionBackward>
        {
            public bool Supports(in AttentionBackward call, out string? reason) =>
                new FusedAttentionBackwardSimd().Supports(call, out reason);

            public void Run(in AttentionBackward call) => FusedAttentionBackwardSimd.Run<T>(call);
        }
    }
}
