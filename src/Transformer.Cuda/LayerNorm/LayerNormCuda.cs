using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Norm;
using Transformer.Ops;

namespace Transformer.Cuda.LayerNorm;

/// <summary>Launches native/LayerNorm/layer_norm.cu.</summary>
internal sealed class LayerNormForwardCuda(CudaQueue queue) : IKernel<LayerNormForward>
{
    private readonly NormForwardLauncher rows = new(queue, "layer_norm");

    public bool Supports(in LayerNormForward call, out string? reason) => CudaTypes.Same(
        out reason, ("input", call.Input), ("residual", call.Residual), ("weight", call.Weight),
        ("bias", call.Bias), ("sum", call.Sum), ("output", call.Output)) && CudaTypes.Single(
        out reason, ("mean", call.Mean), ("inverseStd", call.InverseStd));

    public void Run(in LayerNormForward call) => rows.Launch(
        call.Input.DType,
        CudaTypes.RowsAligned(call.Width, call.Input, call.Residual, call.Weight, call.Bias,
            call.Sum, call.Output),
        new()
        {
            Input = call.Input.Address,
            Residual = call.Residual.Address,
            Weight = call.Weight.Address,
            Bias = call.Bias.Address,
            Sum = call.Sum.Address,
            Output = call.Output.Address,
            Mean = call.Mean.Address,
            Inverse = call.InverseStd.Address,
            Rows = call.Rows,
            Width = call.Width,
            Epsilon = (float)call.EffectiveEpsilon,
        });
}

/// <summary>Launches native/LayerNorm/layer_norm_backward.cu.</summary>
internal sealed class LayerNormBackwardCuda(CudaQueue queue) : IKernel<LayerNormBackward>
{
    private readonly NormBackwardLauncher rows =
        new(queue, "layer_norm_backward", "layer_norm");

    public bool Supports(in LayerNormBackward call, out string? reason) => CudaTypes.Same(
        out reason, ("sum", call.Sum), ("weight", call.Weight),
        ("outputGradient", call.OutputGradient), ("sumGradient", call.SumGradient),
        ("inputGradient", call.InputGradient), ("weightGradient", call.WeightGradient),
        ("biasGradient", call.BiasGradient)) && CudaTypes.Single(
        out reason, ("mean", call.Mean), ("inverseStd", call.InverseStd));

    public void Run(in LayerNormBackward call) => rows.Launch(
        call.Sum.DType,
        CudaTypes.RowsAligned(call.Width, call.Sum, call.Weight, call.OutputGradient,
            call.SumGradient, call.InputGradient),
        new()
        {
            Sum = call.Sum.Address,
            Weight = call.Weight.Address,
            OutputGradient = call.OutputGradient.Address,
            SumGradient = call.SumGradient.Address,
            Mean = call.Mean.Address,
            Inverse = call.InverseStd.Address,
            InputGradient = call.InputGradient.Address,
            Rows = call.Rows,
            Width = call.Width,
        },
        call.WeightGradient.Address, call.BiasGradient.Address);
}
