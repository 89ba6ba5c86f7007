using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.TopK;
using Transformer.Ops;

namespace Transformer.Cuda.Sampling;

/// <summary>Launches native/Sampling/sampling.cu.</summary>
internal sealed class SamplingCuda(CudaQueue queue) : IKernel<SamplingForward>
{
    private const uint Threads = 256;

    // A smaller one would round to 0 in binary32; differences of logits are larger.
    private const double LeastTemperature = 1e-30;

    private readonly TypedKernel kernel = new(queue, "sampling", "sampling_{0}");

    public bool Supports(in SamplingForward call, out string? reason) =>
        CudaTypes.Same(out reason, ("logits", call.Logits));

    public void Run(in SamplingForward call)
    {
        if (call.Rows == 0) return;
        double temperature = call.EffectiveTemperature;
        kernel[call.Logits.DType].Launch(
            new((uint)call.Rows, Threads, TopKCuda.BinBytes), new Argument
            {
                Logits = call.Logits.Address,
                Tokens = call.Tokens.Address,
                Seed = call.Options.Seed,
                First = call.Options.First,
                TopP = call.EffectiveTopP,
                Temperature =
                    temperature == 0 ? 0 : (float)Math.Max(temperature, LeastTemperature),
                Vocabulary = call.Vocabulary,
                Kept = call.EffectiveTopK,
            });
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Logits, Tokens;
        public ulong Seed, First;
        public double TopP;
        public float Temperature;
        public int Vocabulary, Kept;
    }
}
