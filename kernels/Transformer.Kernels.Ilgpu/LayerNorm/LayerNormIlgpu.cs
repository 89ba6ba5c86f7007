using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Kernels.Ilgpu.Norm;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.LayerNorm;

/// <summary>Launches <see cref="NormForward"/>, centered.</summary>
internal sealed class LayerNormForwardIlgpu(KernelQueue queue) : IKernel<LayerNormForward>
{
    private readonly NormForwardLauncher rows = new(queue);

    public bool Supports(in LayerNormForward call, out string? reason) => TensorTypes.Same(
        out reason, ("input", call.Input), ("residual", call.Residual), ("weight", call.Weight),
        ("bias", call.Bias), ("sum", call.Sum), ("output", call.Output)) && TensorTypes.Single(
        out reason, ("mean", call.Mean), ("inverseStd", call.InverseStd));

    public void Run(in LayerNormForward call) => rows.Launch(new()
    {
        Input = call.Input,
        Residual = call.Residual,
        Weight = call.Weight,
        Bias = call.Bias,
        Sum = call.Sum,
        Output = call.Output,
        Mean = call.Mean,
        Inverse = call.InverseStd,
        Rows = call.Rows,
        Width = call.Width,
        Centered = true,
        Epsilon = call.EffectiveEpsilon,
    });
}

/// <summary>Launches <see cref="NormBackward"/>, centered.</summary>
internal sealed class LayerNormBackwardIlgpu(KernelQueue queue) : IKernel<LayerNormBackward>
{
    private readonly NormBackwardLauncher rows = new(queue);

    public bool Supports(in LayerNormBackward call, out string? reason) => TensorTypes.Same(
        out reason, ("sum", call.Sum), ("weight", call.Weight),
        ("outputGradient", call.OutputGradient), ("sumGradient", call.SumGradient),
        ("inputGradient", call.InputGradient), ("weightGradient", call.WeightGradient),
        ("biasGradient", call.BiasGradient)) && TensorTypes.Single(
        out reason, ("mean", call.Mean), ("inverseStd", call.InverseStd));

    public void Run(in LayerNormBackward call) => rows.Launch(new()
    {
        Sum = call.Sum,
        Weight = call.Weight,
        OutputGradient = call.OutputGradient,
        SumGradient = call.SumGradient,
        InputGradient = call.InputGradient,
        WeightGradient = call.WeightGradient,
        BiasGradient = call.BiasGradient,
        Mean = call.Mean,
        Inverse = call.InverseStd,
        Rows = call.Rows,
        Width = call.Width,
        Centered = true,
    });
}
