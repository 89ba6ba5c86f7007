using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.RotaryEmbedding;

/// <summary>Launches native/RotaryEmbedding/rotary_embedding.cu.</summary>
/// <remarks>A position outside the tables gives NaN.</remarks>
internal sealed class RotaryEmbeddingCuda(CudaQueue queue)
    : IKernel<RotaryEmbeddingForward>, IKernel<RotaryEmbeddingBackward>
{
    private const uint Threads = 128;

    private readonly TypedKernel halves =
        new(queue, "rotary_embedding", "rotary_embedding_{0}_halves");

    private readonly TypedKernel neighbours =
        new(queue, "rotary_embedding", "rotary_embedding_{0}_neighbours");

    public bool Supports(in RotaryEmbeddingForward call, out string? reason) =>
        CudaTypes.Same(out reason, ("input", call.Input), ("output", call.Output)) &&
        Tables(call.Inputs, out reason);

    public bool Supports(in RotaryEmbeddingBackward call, out string? reason) =>
        CudaTypes.Same(
            out reason, ("outputGradient", call.OutputGradient),
            ("inputGradient", call.InputGradient)) && Tables(call.Inputs, out reason);

    public void Run(in RotaryEmbeddingForward call) => Run(
        call.Inputs, call.Input, call.Inputs.EffectiveInputStrides, call.Output,
        call.Inputs.EffectiveOutputStrides, direction: 1);

    public void Run(in RotaryEmbeddingBackward call) => Run(
        call.Inputs, call.OutputGradient, call.Inputs.EffectiveOutputStrides,
        call.InputGradient, call.Inputs.EffectiveInputStrides, direction: -1);

    private static bool Tables(in RotaryInputs inputs, out string? reason) => CudaTypes.Single(
        out reason, ("cosines", inputs.Tables.Cosines), ("sines", inputs.Tables.Sines));

    private void Run(
        in RotaryInputs inputs, BufferView source, AttentionStrides from, BufferView target,
        AttentionStrides to, float direction)
    {
        RotarySizes sizes = inputs.Sizes;
        int rotary = inputs.EffectiveRotaryDimension;
        bool aligned = Aligned(inputs, source.DType) && Aligned(source, from) &&
            Aligned(target, to);
        (inputs.Tables.Interleaved ? neighbours : halves)[source.DType].Launch(
            new((uint)(sizes.Batch * sizes.Length), Threads), new Argument
            {
                Input = source.Address,
                Output = target.Address,
                Cosines = inputs.Tables.Cosines.Address,
                Sines = inputs.Tables.Sines.Address,
                Ids = inputs.PositionIds.Address,
                InputBatch = from.Batch,
                InputHead = from.Head,
                InputRow = from.Sequence,
                OutputBatch = to.Batch,
                OutputHead = to.Head,
                OutputRow = to.Sequence,
                Heads = sizes.Heads,
                Length = sizes.Length,
                Half = rotary / 2,
                Rest = sizes.HeadDimension - rotary,
                Positions = inputs.Tables.MaxPositions,
                Offset = inputs.PositionOffset,
                Aligned = aligned ? 1 : 0,
                Direction = direction,
            });
    }

    // Whole chunks of pairs, of their table rows, and of what is copied.
    private static bool Aligned(in RotaryInputs inputs, DType type)
    {
        int chunk = 16 / type.Size(), rotary = inputs.EffectiveRotaryDimension;
        int unit = inputs.Tables.Interleaved ? chunk : 2 * chunk;
        return rotary % unit == 0 && rotary / 2 % 4 == 0 &&
            (inputs.Sizes.HeadDimension - rotary) % chunk == 0 &&
            inputs.Tables.Cosines.Address % 16 == 0 && inputs.Tables.Sines.Address % 16 == 0;
    }

    private static bool Aligned(BufferView view, AttentionStrides strides)
    {
        int chunk = 16 / view.DType.Size();
        return view.Address % 16 == 0 && strides.Batch % chunk == 0 &&
            strides.Head % chunk == 0 && strides.Sequence % chunk == 0;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Input, Output, Cosines, Sines, Ids;
        public long InputBatch, InputHead, InputRow, OutputBatch, OutputHead, OutputRow;
        public int Heads, Length, Half, Rest, Positions, Offset, Aligned;
        public float Direction;
    }
}
