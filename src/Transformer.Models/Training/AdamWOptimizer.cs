using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Training;

/// <summary>
/// Clipping and AdamW over a whole model: one call for the norm, one for the parameters that
/// decay and one for the others. The clip scale stays in the backend's memory and costs no pass.
/// </summary>
internal sealed class AdamWOptimizer : IDisposable
{
    private readonly ParameterSet parameters;
    private readonly TrainingOptions options;
    private readonly Tensor norm;
    private readonly Tensor clipScale;
    private readonly PreparedCall measure;

    public AdamWOptimizer(ParameterSet parameters, TrainingOptions options)
    {
        this.parameters = parameters;
        this.options = options;
        norm = new(new(1), DType.Float32, parameters.Backend.Memory);
        clipScale = new(new(1), DType.Float32, parameters.Backend.Memory);
        measure = parameters.Backend.Prepare(new GradientNormForward
        {
            Gradient = parameters.Gradients,
            Norm = norm.View,
            ClipScale = clipScale.View,
            Length = parameters.Gradients.Length,
            MaxNorm = options.ClipNorm,
        });
    }

    /// <summary>Measures the optimizer's kernels; null: nothing is measured.</summary>
    public ExecutionProfile? Profile { get; set; }

    /// <summary>Computes the clip scale; returns the norm before clipping.</summary>
    public float MeasureGradients()
    {
        if (Profile is null) measure.Run();
        else Profile.Run(measure, measure.Op);
        Span<float> value = stackalloc float[1];
        norm.CopyTo(value);
        return value[0];
    }

    /// <summary>Updates all weights; after <see cref="MeasureGradients"/>.</summary>
    /// <param name="rate">The learning rate.</param>
    /// <param name="step">1 for the first one.</param>
    public void Update(double rate, long step)
    {
        long decayed = parameters.DecayedLength;
        Update(0, decayed, options.WeightDecay, rate, step);
        Update(decayed, parameters.Values.Length - decayed, weightDecay: 0, rate, step);
    }

    public void Dispose()
    {
        norm.Dispose();
        clipScale.Dispose();
    }

    private void Update(long start, long length, double weightDecay, double rate, long step)
    {
        if (length == 0) return;
        AdamWForward call = new()
        {
            Parameter = parameters.Values.Slice(start, length),
            Gradient = parameters.Gradients.Slice(start, length),
            FirstMoment = parameters.FirstMoments.Slice(start, length),
            SecondMoment = parameters.SecondMoments.Slice(start, length),
            GradientScale = clipScale.View,
            Length = length,
            LearningRate = rate,
            Beta1 = options.Beta1,
            Beta2 = options.Beta2,
            Epsilon = options.Epsilon,
            WeightDecay = weightDecay,
            Step = checked((int)step),
        };
        if (Profile is null) parameters.Backend.Run(call);
        else Profile.Run(parameters.Backend.Prepare(call), AdamWForward.Op);
    }
}
