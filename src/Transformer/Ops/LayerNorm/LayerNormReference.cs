using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Layer normalisation with optional residual, and its gradients.</summary>
/// <remarks>
/// Formula: s = input + residual; x̂ = (s − mean)/√(variance + ε); output = x̂ ⊙ weight + bias.
/// Backward, g = outputGradient ⊙ weight: inputGradient = inverseStd·(g − avg(g) − x̂·avg(g ⊙ x̂))
/// + sumGradient; weightGradient += Σ outputGradient ⊙ x̂; biasGradient += Σ outputGradient.
/// Shapes: [Rows, Width], contiguous; weight and bias [Width]; mean and inverseStd [Rows].
/// Work: one thread, row by row; parameter gradients are summed in double and added at the end.
/// Bytes: each matrix read or written once, from a copy in double.
/// Numerics: double; mean first, then the mean square of the differences from it. Output and
/// statistics come from the unrounded sum.
/// Preconditions: a validated call.
/// Source: Ba, Kiros, Hinton 2016; gradient by hand.
/// </remarks>
internal sealed class LayerNormReference : IKernel<LayerNormForward>, IKernel<LayerNormBackward>
{
    public void Run(in LayerNormForward call)
    {
        double[] sum = ReferenceBuffers.Read(call.Input);
        double[] residual = ReferenceBuffers.Read(call.Residual);
        double[] weight = ReferenceBuffers.Read(call.Weight);
        double[] bias = ReferenceBuffers.Read(call.Bias);
        double[] output = new double[sum.Length];
        double[] mean = new double[call.Rows];
        double[] inverseStd = new double[call.Rows];
        for (int i = 0; i < residual.Length; i++) sum[i] += residual[i];
        for (int r = 0; r < call.Rows; r++)
        {
            ReadOnlySpan<double> row = sum.AsSpan(r * call.Width, call.Width);
            (mean[r], inverseStd[r]) = Statistics(row, call.EffectiveEpsilon);
            for (int w = 0; w < row.Length; w++)
            {
                double normalised = (row[w] - mean[r]) * inverseStd[r];
                double scaled = weight.Length > 0 ? normalised * weight[w] : normalised;
                output[(r * call.Width) + w] = bias.Length > 0 ? scaled + bias[w] : scaled;
            }
        }

        ReferenceBuffers.Write(call.Sum, sum);
        ReferenceBuffers.Write(call.Output, output);
        ReferenceBuffers.Write(call.Mean, mean);
        ReferenceBuffers.Write(call.InverseStd, inverseStd);
    }

    public void Run(in LayerNormBackward call)
    {
        if (call.Rows == 0) return;
        double[] sum = ReferenceBuffers.Read(call.Sum);
        double[] weight = ReferenceBuffers.Read(call.Weight);
        double[] outputGradient = ReferenceBuffers.Read(call.OutputGradient);
        double[] inputGradient = ReferenceBuffers.Read(call.SumGradient);
        if (inputGradient.Length == 0) inputGradient = new double[sum.Length];
        double[] weightGradient = new double[call.WeightGradient.Length];
        double[] biasGradient = new double[call.BiasGradient.Length];
        double[] normalised = new double[call.Width];
        double[] scaled = new double[call.Width];
        for (int r = 0; r < call.Rows; r++)
        {
            double mean = ReferenceBuffers.Get(call.Mean, r);
            double inverseStd = ReferenceBuffers.Get(call.InverseStd, r);
            int start = r * call.Width;
            double average = 0;
            double product = 0;
            for (int w = 0; w < call.Width; w++)
            {
                double gradient = outputGradient[start + w];
                normalised[w] = (sum[start + w] - mean) * inverseStd;
                scaled[w] = weight.Length > 0 ? gradient * weight[w] : gradient;
                average += scaled[w] / call.Width;
                product += scaled[w] * normalised[w] / call.Width;
                if (weightGradient.Length > 0) weightGradient[w] += gradient * normalised[w];
                if (biasGradient.Length > 0) biasGradient[w] += gradient;
            }

            for (int w = 0; w < call.Width; w++)
            {
                inputGradient[start + w] +=
                    inverseStd * (scaled[w] - average - (normalised[w] * product));
            }
        }

        ReferenceBuffers.Write(call.InputGradient, inputGradient);
        ReferenceBuffers.Add(call.WeightGradient, weightGradient);
        ReferenceBuffers.Add(call.BiasGradient, biasGradient);
    }

    private static (double Mean, double InverseStd) Statistics(
        ReadOnlySpan<double> row, double epsilon)
    {
        double sum = 0;
        foreach (double value in row) sum += value;
        double mean = sum / row.Length;
        double squares = 0;
        foreach (double value in row) squares += (value - mean) * (value - mean);
        return (mean, 1 / Math.Sqrt((squares / row.Length) + epsilon));
    }
}
