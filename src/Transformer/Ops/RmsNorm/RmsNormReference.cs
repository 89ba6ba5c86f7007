using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Root-mean-square normalisation with optional residual, and its gradients.</summary>
/// <remarks>
/// Formula: s = input + residual; x̂ = s/√(mean(s²) + ε); output = x̂ ⊙ weight. Backward,
/// g = outputGradient ⊙ weight: inputGradient = inverseRms·(g − x̂·avg(g ⊙ x̂)) + sumGradient;
/// weightGradient += Σ outputGradient ⊙ x̂.
/// Shapes: [Rows, Width], contiguous; weight [Width]; inverseRms [Rows].
/// Work: one thread, row by row; the weight's gradient is summed in double and added at the end.
/// Bytes: each matrix read or written once, from a copy in double.
/// Numerics: double. Output and statistic come from the unrounded sum.
/// Preconditions: a validated call.
/// Source: Zhang, Sennrich 2019; gradient by hand.
/// </remarks>
internal sealed class RmsNormReference : IKernel<RmsNormForward>, IKernel<RmsNormBackward>
{
    public void Run(in RmsNormForward call)
    {
        double[] sum = ReferenceBuffers.Read(call.Input);
        double[] residual = ReferenceBuffers.Read(call.Residual);
        double[] weight = ReferenceBuffers.Read(call.Weight);
        double[] output = new double[sum.Length];
        double[] inverseRms = new double[call.Rows];
        for (int i = 0; i < residual.Length; i++) sum[i] += residual[i];
        for (int r = 0; r < call.Rows; r++)
        {
            ReadOnlySpan<double> row = sum.AsSpan(r * call.Width, call.Width);
            double squares = 0;
            foreach (double value in row) squares += value * value;
            inverseRms[r] = 1 / Math.Sqrt((squares / row.Length) + call.EffectiveEpsilon);
            for (int w = 0; w < row.Length; w++)
            {
                double normalised = row[w] * inverseRms[r];
                output[(r * call.Width) + w] =
                    weight.Length > 0 ? normalised * weight[w] : normalised;
            }
        }

        ReferenceBuffers.Write(call.Sum, sum);
        ReferenceBuffers.Write(call.Output, output);
        ReferenceBuffers.Write(call.InverseRms, inverseRms);
    }

    public void Run(in RmsNormBackward call)
    {
        if (call.Rows == 0) return;
        double[] sum = ReferenceBuffers.Read(call.Sum);
        double[] weight = ReferenceBuffers.Read(call.Weight);
        double[] outputGradient = ReferenceBuffers.Read(call.OutputGradient);
        double[] inputGradient = ReferenceBuffers.Read(call.SumGradient);
        if (inputGradient.Length == 0) inputGradient = new double[sum.Length];
        double[] weightGradient = new double[call.WeightGradient.Length];
        double[] normalised = new double[call.Width];
        double[] scaled = new double[call.Width];
        for (int r = 0; r < call.Rows; r++)
        {
            double inverseRms = ReferenceBuffers.Get(call.InverseRms, r);
            int start = r * call.Width;
            double product = 0;
            for (int w = 0; w < call.Width; w++)
            {
                double gradient = outputGradient[start + w];
                normalised[w] = sum[start + w] * inverseRms;
                scaled[w] = weight.Length > 0 ? gradient * weight[w] : gradient;
                product += scaled[w] * normalised[w] / call.Width;
                if (weightGradient.Length > 0) weightGradient[w] += gradient * normalised[w];
            }

            for (int w = 0; w < call.Width; w++)
                inputGradient[start + w] += inverseRms * (scaled[w] - (normalised[w] * product));
        }

        ReferenceBuffers.Write(call.InputGradient, inputGradient);
        ReferenceBuffers.Add(call.WeightGradient, weightGradient);
    }
}
