using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Dropout, forward and backward: the same map from input or output gradient.</summary>
/// <remarks>
/// Formula: y[i] = u(i) ≥ p ? x[i]·(1/(1 − p)) : 0, u(i) = word i of Philox stream (seed, stream,
/// step), its upper 24 bits over 2²⁴.
/// Shapes: [Length] each; the output may be the input.
/// Work: one thread, one element at a time.
/// Bytes: one read, one write and one quarter of a Philox block an element.
/// Numerics: u, p and 1/(1 − p) in binary32, so that every backend drops the same elements and
/// scales by the same factor; the product in double, rounded once. A dropped NaN gives 0.
/// Preconditions: a validated call.
/// Source: Srivastava et al. 2014.
/// </remarks>
internal sealed unsafe class DropoutReference : IKernel<DropoutForward>, IKernel<DropoutBackward>
{
    public void Run(in DropoutForward call) => Apply(
        call.Input, call.Output, call.RandomState, call.Length, call.Probability, call.Stream);

    public void Run(in DropoutBackward call) => Apply(
        call.OutputGradient, call.InputGradient, call.RandomState, call.Length, call.Probability,
        call.Stream);

    private static void Apply(
        BufferView input, BufferView output, BufferView randomState, long length,
        float probability, uint stream)
    {
        ulong seed = (ulong)randomState.Pointer<long>()[0];
        uint step = (uint)randomState.Pointer<long>()[1];
        float keep = 1f / (1f - probability);
        for (long i = 0; i < length; i++)
        {
            uint word = Philox.Word(seed, stream, step, (ulong)i);
            bool kept = Philox.ToUnit(word) >= probability;
            double value = kept ? ReferenceBuffers.Get(input, i) * keep : 0;
            ReferenceBuffers.Set(output, i, value);
        }
    }
}
