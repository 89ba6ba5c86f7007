using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Norm;
using Transformer.Ops;

namespace Transformer.Cuda.RmsNorm;

/// <summary>Launches native/RmsNorm/rms_norm.cu.</summary>
internal sealed class RmsNormForwardCuda(CudaQueue queue) : IKernel<RmsNormForward>
{
    private readonly NormForwardLauncher rows = new(queue, "rms_norm");

    public bool Supports(in RmsNormForward call, out string? reason) => CudaTypes.Same(
        out reason, ("input", call.Input), ("residual", call.Residual), ("weight", call.Weight),
        ("sum", call.Sum), ("output", call.Output)) && CudaTypes.Single(
        out reason, ("inverseRms", call.InverseRms));

    public void Run(in RmsNormForward call) => rows.Launch(
        call.Input.DType,
        CudaTypes.RowsAligned(
            call.Width, call.Input, call.Residual, call.Weight, call.Sum, call.Output),
        new()
        {
            Input = call.Input.Address,
            Residual = call.Residual.Address,
            Weight = call.Weight.Address,
            Sum = call.Sum.Address,
            Output = call.Output.Address,
            Inverse = call.InverseRms.Address,
            Rows = call.Rows,
            Width = call.Width,
            Epsilon = (float)call.EffectiveEpsilon,
        });
}

/// <summary>Launches native/RmsNorm/rms_norm_backward.cu.</summary>
internal sealed class RmsNormBackwardCuda(CudaQueue queue) : IKernel<RmsNormBackward>
{
    private readonly NormBackwardLauncher rows = new(queue, "rms_norm_backward", "rms_norm");

    public bool Supports(in RmsNormBackward call, out string? reason) => CudaTypes.Same(
        out reason, ("sum", call.Sum), ("weight", call.Weight),
        ("outputGradient", call.OutputGradient), ("sumGradient", call.SumGradient),
        ("inputGradient", call.InputGradient), ("weightGradient", call.WeightGradient)) &&
        CudaTypes.Single(out reason, ("inverseRms", call.InverseRms));

    public void Run(in RmsNormBackward call) => rows.Launch(
        call.Sum.DType,
        CudaTypes.RowsAligned(call.Width, call.Sum, call.Weight, call.OutputGradient,
            call.SumGradient, call.InputGradient),
        new()
        {
            Sum = call.Sum.Address,
            Weight = call.Weight.Address,
            OutputGradient = call.OutputGradient.Address,
            SumGradient = call.SumGradient.Address,
            Inverse = call.InverseRms.Address,
            InputGradient = call.InputGradient.Address,
            Rows = call.Rows,
            Width = call.Width,
        },
        call.WeightGradient.Address, biasGradient: 0);
}
