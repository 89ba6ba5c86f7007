using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Kernels.Ilgpu.Norm;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.RmsNorm;

/// <summary>Launches <see cref="NormForward"/>, not centered.</summary>
internal sealed class RmsNormForwardIlgpu(KernelQueue queue) : IKernel<RmsNormForward>
{
    private readonly NormForwardLauncher rows = new(queue);

    public bool Supports(in RmsNormForward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("residual", call.Residual), ("weight", call.Weight),
        ("sum", call.Sum), ("output", call.Output)) && TensorTypes.Single(
        out reason, ("inverseRms", call.InverseRms));

    public void Run(in RmsNormForward call) => rows.Launch(new()
    {
        Input = call.Input,
        Residual = call.Residual,
        Weight = call.Weight,
        Sum = call.Sum,
        Output = call.Output,
        Inverse = call.InverseRms,
        Rows = call.Rows,
        Width = call.Width,
        Epsilon = call.EffectiveEpsilon,
    });
}

/// <summary>Launches <see cref="NormBackward"/>, not centered.</summary>
internal sealed class RmsNormBackwardIlgpu(KernelQueue queue) : IKernel<RmsNormBackward>
{
    private readonly NormBackwardLauncher rows = new(queue);

    public bool Supports(in RmsNormBackward call, out string? reason) => TensorTypes.Same(
        out reason, ("sum", call.Sum), ("weight", call.Weight),
        ("outputGradient", call.OutputGradient), ("sumGradient", call.SumGradient),
        ("inputGradient", call.InputGradient), ("weightGradient", call.WeightGradient)) &&
        TensorTypes.Single(out reason, ("inverseRms", call.InverseRms));

    public void Run(in RmsNormBackward call) => rows.Launch(new()
    {
        Sum = call.Sum,
        Weight = call.Weight,
        OutputGradient = call.OutputGradient,
        SumGradient = call.SumGradient,
        InputGradient = call.InputGradient,
        WeightGradient = call.WeightGradient,
        Inverse = call.InverseRms,
        Rows = call.Rows,
        Width = call.Width,
    });
}
