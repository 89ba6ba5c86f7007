using Transformer.Ops;

namespace Transformer.Verification;

public sealed partial class KernelBackend
{
    /// <summary>Adds a position-wise feed-forward network over spans.</summary>
    /// <remarks>Other element types are unsupported.</remarks>
    /// <param name="run">Runs a call.</param>
    /// <param name="lacks">Why a call that the spans can express cannot run, null where it can.
    /// </param>
    /// <returns>This backend.</returns>
    public KernelBackend AddFeedForwardForward(
        FeedForwardForwardSpans run, CallLimit<GeluFeedForwardForward>? lacks = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Add<GeluFeedForwardForward>(
            (in c) =>
            {
                FeedForwardParameters<float> parameters = new()
                {
                    Weight1 = Floats(c.Weight1),
                    Bias1 = Floats(c.Bias1),
                    Weight2 = Floats(c.Weight2),
                    Bias2 = Floats(c.Bias2),
                };
                run(Floats(c.Input), parameters, new(c.Rows, c.Width, c.Hidden, c.OutputWidth),
                    new() { Activation = c.Activation }, Floats(c.Output),
                    Floats(c.PreActivation));
            },
            (in c) =>
            {
                GeluFeedForwardForward plain = new()
                {
                    Input = c.Input,
                    Weight1 = c.Weight1,
                    Bias1 = c.Bias1,
                    Weight2 = c.Weight2,
                    Bias2 = c.Bias2,
                    Output = c.Output,
                    PreActivation = c.PreActivation,
                    Rows = c.Rows,
                    Width = c.Width,
                    Hidden = c.Hidden,
                    OutputWidth = c.OutputWidth,
                    Activation = c.Activation,
                };
                return NotFloat32(c.Input, c.Weight1, c.Bias1, c.Weight2, c.Bias2, c.Output,
                        c.PreActivation)
                    ?? (c != plain ? Beyond("operands") : null) ?? lacks?.Invoke(in c);
            });
    }

    /// <summary>Adds the gradients of a position-wise feed-forward network over spans.</summary>
    /// <remarks>Other element types are unsupported.</remarks>
    /// <param name="run">Runs a call.</param>
    /// <param name="lacks">Why a call that the spans can express cannot run, null where it can.
    /// </param>
    /// <returns>This backend.</returns>
    public KernelBackend AddFeedForwardBackward(
        FeedForwardBackwardSpans run, CallLimit<GeluFeedForwardBackward>? lacks = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Add<GeluFeedForwardBackward>(
            (in c) =>
            {
                FeedForwardParameters<float> parameters = new()
                {
                    Weight1 = Floats(c.Weight1), Weight2 = Floats(c.Weight2),
                };
                FeedForwardGradients<float> gradients = new()
                {
                    Weight1 = Floats(c.Weight1Gradient),
                    Bias1 = Floats(c.Bias1Gradient),
                    Weight2 = Floats(c.Weight2Gradient),
                    Bias2 = Floats(c.Bias2Gradient),
                };
                run(Floats(c.Input), parameters, Floats(c.PreActivation),
                    Floats(c.OutputGradient), new(c.Rows, c.Width, c.Hidden, c.OutputWidth),
                    new() { Activation = c.Activation }, Floats(c.InputGradient), gradients);
            },
            (in c) =>
            {
                GeluFeedForwardBackward plain = new()
                {
                    Input = c.Input,
                    Weight1 = c.Weight1,
                    Weight2 = c.Weight2,
                    PreActivation = c.PreActivation,
                    OutputGradient = c.OutputGradient,
                    InputGradient = c.InputGradient,
                    Weight1Gradient = c.Weight1Gradient,
                    Bias1Gradient = c.Bias1Gradient,
                    Weight2Gradient = c.Weight2Gradient,
                    Bias2Gradient = c.Bias2Gradient,
                    Rows = c.Rows,
                    Width = c.Width,
                    Hidden = c.Hidden,
                    OutputWidth = c.OutputWidth,
                    Activation = c.Activation,
                };
                return NotFloat32(c.Input, c.Weight1, c.Weight2, c.PreActivation,
                        c.OutputGradient, c.InputGradient, c.Weight1Gradient, c.Bias1Gradient,
                        c.Weight2Gradient, c.Bias2Gradient)
                    ?? (c != plain ? Beyond("operands") : null) ?? lacks?.Invoke(in c);
            });
    }
}
