using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification;

public sealed partial class KernelBackend
{
    /// <summary>Adds layer normalisation over spans.</summary>
    /// <remarks>Unsupported, with the reason: other element types, a residual, the sum as an
    /// output.</remarks>
    /// <param name="run">Runs a call.</param>
    /// <param name="lacks">Why a call that the spans can express cannot run, null where it can.
    /// </param>
    /// <returns>This backend.</returns>
    public KernelBackend AddLayerNormForward(
        LayerNormForwardSpans run, CallLimit<LayerNormForward>? lacks = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Add<LayerNormForward>(
            (in c) => run(Floats(c.Input), Floats(c.Weight), Floats(c.Bias),
                new(c.Rows, c.Width), new() { Epsilon = c.Epsilon }, Floats(c.Output),
                Floats(c.Mean), Floats(c.InverseStd)),
            (in c) =>
            {
                LayerNormForward plain = new()
                {
                    Input = c.Input,
                    Weight = c.Weight,
                    Bias = c.Bias,
                    Output = c.Output,
                    Mean = c.Mean,
                    InverseStd = c.InverseStd,
                    Rows = c.Rows,
                    Width = c.Width,
                    Epsilon = c.Epsilon,
                };
                return NotFloat32(c.Input, c.Weight, c.Bias, c.Output, c.Mean, c.InverseStd)
                    ?? (c.Residual.IsPresent || c.Sum.IsPresent
                        ? "the kernel's spans hold no residual" : null)
                    ?? (c != plain ? Beyond("operands") : null) ?? lacks?.Invoke(in c);
            });
    }

    /// <summary>Adds the gradients of layer normalisation over spans.</summary>
    /// <remarks>Unsupported, with the reason: other element types, a gradient of the sum.
    /// </remarks>
    /// <param name="run">Runs a call.</param>
    /// <param name="lacks">Why a call that the spans can express cannot run, null where it can.
    /// </param>
    /// <returns>This backend.</returns>
    public KernelBackend AddLayerNormBackward(
        LayerNormBackwardSpans run, CallLimit<LayerNormBackward>? lacks = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Add<LayerNormBackward>(
            (in c) => run(Floats(c.Sum), Floats(c.Weight), Floats(c.Mean), Floats(c.InverseStd),
                Floats(c.OutputGradient), new(c.Rows, c.Width), Floats(c.InputGradient),
                Floats(c.WeightGradient), Floats(c.BiasGradient)),
            (in c) =>
            {
                LayerNormBackward plain = new()
                {
                    Sum = c.Sum,
                    Weight = c.Weight,
                    Mean = c.Mean,
                    InverseStd = c.InverseStd,
                    OutputGradient = c.OutputGradient,
                    InputGradient = c.InputGradient,
                    WeightGradient = c.WeightGradient,
                    BiasGradient = c.BiasGradient,
                    Rows = c.Rows,
                    Width = c.Width,
                };
                return NotFloat32(c.Sum, c.Weight, c.Mean, c.InverseStd, c.OutputGradient,
                        c.InputGradient, c.WeightGradient, c.BiasGradient)
                    ?? (c.SumGradient.IsPresent
                        ? "the kernel's spans hold no gradient of the sum" : null)
                    ?? (c != plain ? Beyond("operands") : null) ?? lacks?.Invoke(in c);
            });
    }

    /// <summary>Adds a linear layer over spans.</summary>
    /// <remarks>Other element types are unsupported.</remarks>
    /// <param name="run">Runs a call.</param>
    /// <param name="lacks">Why a call that the spans can express cannot run, null where it can.
    /// </param>
    /// <returns>This backend.</returns>
    public KernelBackend AddLinearForward(
        LinearForwardSpans run, CallLimit<LinearForward>? lacks = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Add<LinearForward>(
            (in c) => run(Floats(c.Input), Floats(c.Weight), Floats(c.Bias),
                new(c.Rows, c.InputFeatures, c.OutputFeatures),
                new() { Activation = c.Activation }, Floats(c.Output), Floats(c.PreActivation)),
            (in c) =>
            {
                LinearForward plain = new()
                {
                    Input = c.Input,
                    Weight = c.Weight,
                    Bias = c.Bias,
                    Output = c.Output,
                    PreActivation = c.PreActivation,
                    Rows = c.Rows,
                    InputFeatures = c.InputFeatures,
                    OutputFeatures = c.OutputFeatures,
                    Activation = c.Activation,
                };
                return NotFloat32(c.Input, c.Weight, c.Bias, c.Output, c.PreActivation)
                    ?? (c != plain ? Beyond("operands") : null) ?? lacks?.Invoke(in c);
            });
    }

    /// <summary>Adds the gradients of a linear layer over spans.</summary>
    /// <remarks>Other element types are unsupported.</remarks>
    /// <param name="run">Runs a call.</param>
    /// <param name="lacks">Why a call that the spans can express cannot run, null where it can.
    /// </param>
    /// <returns>This backend.</returns>
    public KernelBackend AddLinearBackward(
        LinearBackwardSpans run, CallLimit<LinearBackward>? lacks = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Add<LinearBackward>(
            (in c) => run(Floats(c.Input), Floats(c.Weight), Floats(c.PreActivation),
                Floats(c.OutputGradient), new(c.Rows, c.InputFeatures, c.OutputFeatures),
                new() { Activation = c.Activation }, Floats(c.InputGradient),
                Floats(c.WeightGradient), Floats(c.BiasGradient)),
            (in c) =>
            {
                LinearBackward plain = new()
                {
                    Input = c.Input,
                    Weight = c.Weight,
                    PreActivation = c.PreActivation,
                    OutputGradient = c.OutputGradient,
                    InputGradient = c.InputGradient,
                    WeightGradient = c.WeightGradient,
                    BiasGradient = c.BiasGradient,
                    Rows = c.Rows,
                    InputFeatures = c.InputFeatures,
                    OutputFeatures = c.OutputFeatures,
                    Activation = c.Activation,
                };
                return NotFloat32(c.Input, c.Weight, c.PreActivation, c.OutputGradient,
                        c.InputGradient, c.WeightGradient, c.BiasGradient)
                    ?? (c != plain ? Beyond("operands") : null) ?? lacks?.Invoke(in c);
            });
    }

    private static Span<float> Floats(BufferView view) => view.AsSpan<float>();
}
