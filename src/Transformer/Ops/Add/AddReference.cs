using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Element-wise sum.</summary>
/// <remarks>
/// Formula: output[i] = left[i] + right[i].
/// Shapes: [Length] each; the output may be either input.
/// Work: one thread, one pass, one element at a time.
/// Bytes: each input read and the output written once; one addition an element.
/// Numerics: double, one rounding on writing.
/// Preconditions: a validated call.
/// </remarks>
internal sealed class AddReference : IKernel<AddForward>
{
    public void Run(in AddForward call)
    {
        for (long i = 0; i < call.Length; i++)
        {
            double sum = ReferenceBuffers.Get(call.Left, i) + ReferenceBuffers.Get(call.Right, i);
            ReferenceBuffers.Set(call.Output, i, sum);
        }
    }
}
