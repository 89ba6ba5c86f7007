using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.RotaryEmbedding;

/// <summary>Launches <see cref="RotaryKernel"/>.</summary>
/// <remarks>A position outside the tables gives NaN.</remarks>
internal sealed class RotaryEmbeddingIlgpu(KernelQueue queue)
    : IKernel<RotaryEmbeddingForward>, IKernel<RotaryEmbeddingBackward>
{
    private readonly ByType<ITyped<RotaryPass>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in RotaryEmbeddingForward call, out string? reason) =>
        TensorTypes.Same(out reason, ("input", call.Input), ("output", call.Output)) &&
        Tables(call.Inputs, out reason);

    public bool Supports(in RotaryEmbeddingBackward call, out string? reason) =>
        TensorTypes.Same(
            out reason, ("outputGradient", call.OutputGradient),
            ("inputGradient", call.InputGradient)) && Tables(call.Inputs, out reason);

    public void Run(in RotaryEmbeddingForward call) =>
        kernels[call.Input.DType].Launch(call.Pass);

    public void Run(in RotaryEmbeddingBackward call) =>
        kernels[call.OutputGradient.DType].Launch(call.Pass);

    private static bool Tables(in RotaryInputs inputs, out string? reason) => TensorTypes.Single(
        out reason, ("cosines", inputs.Tables.Cosines), ("sines", inputs.Tables.Sines));

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<RotaryPass>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 128;

        private readonly DeviceKernel<RotaryArgument<T>> kernel =
            new(queue, RotaryKernel.GroupPerToken<T, TStorage>);

        public void Launch(in RotaryPass pass)
        {
            RotaryInputs inputs = pass.Inputs;
            RotarySizes sizes = inputs.Sizes;
            int rotary = inputs.EffectiveRotaryDimension;
            int units = sizes.Heads * (sizes.HeadDimension - (rotary / 2));
            kernel.Launch(
                new((long)sizes.Batch * sizes.Length,
                    queue.Limits.Threads(Math.Min(units, MostThreads))),
                new()
                {
                    Input = queue.View<T>(pass.Source),
                    Output = queue.View<T>(pass.Target),
                    Cosines = queue.View<float>(inputs.Tables.Cosines),
                    Sines = queue.View<float>(inputs.Tables.Sines),
                    Ids = queue.View<int>(inputs.PositionIds),
                    InputBatch = pass.SourceStrides.Batch,
                    InputHead = pass.SourceStrides.Head,
                    InputRow = pass.SourceStrides.Sequence,
                    OutputBatch = pass.TargetStrides.Batch,
                    OutputHead = pass.TargetStrides.Head,
                    OutputRow = pass.TargetStrides.Sequence,
                    Half = rotary / 2,
                    Rest = sizes.HeadDimension - rotary,
                    Positions = inputs.Tables.MaxPositions,
                    Heads = sizes.Heads,
                    Length = sizes.Length,
                    Offset = inputs.PositionOffset,
                    Neighbours = inputs.Tables.Interleaved ? 1 : 0,
                    Direction = pass.Inverse ? -1 : 1,
                });
        }
    }
}
