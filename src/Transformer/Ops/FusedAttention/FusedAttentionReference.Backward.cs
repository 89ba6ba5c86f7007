using Transformer.Tensors;

namespace Transformer.Ops;

internal sealed partial class FusedAttentionReference
{
    public void Run(in AttentionBackward call)
    {
        AttentionSizes sizes = call.Inputs.Sizes;
        Gradients gradients = new(call);
        for (int b = 0; b < sizes.Batch; b++)
        {
            for (int h = 0; h < sizes.QueryHeads; h++)
            {
                for (int i = 0; i < sizes.QueryLength; i++) gradients.AddRow(b, h, i);
            }
        }

        WriteStrided(call.QueryGradient, gradients.Query, call.Inputs.EffectiveQueryStrides,
            sizes.Batch, sizes.QueryHeads, sizes.QueryLength, sizes.HeadDimension);
        WriteStrided(call.KeyGradient, gradients.Key, call.Inputs.EffectiveKeyStrides,
            sizes.Batch, sizes.KeyValueHeads, sizes.KeyLength, sizes.HeadDimension);
        WriteStrided(call.ValueGradient, gradients.Value, call.Inputs.EffectiveValueStrides,
            sizes.Batch, sizes.KeyValueHeads, sizes.KeyLength, sizes.ValueDimension);
        ReferenceBuffers.Add(call.BiasGradient, gradients.Bias);
    }

    // Only the elements that belong to the view: between them may lie the other parts of a packed
    // QKV buffer.
    private static void WriteStrided(
        BufferView view, double[] values, AttentionStrides strides, int batch, int heads,
        int length, int dimension)
    {
        for (int b = 0; b < batch; b++)
        {
            for (int h = 0; h < heads; h++)
            {
                for (int s = 0; s < length; s++)
                {
                    long start = AttentionReferenceProblem.At(strides, b, h, s);
                    for (int d = 0; d < dimension; d++)
                    {
                        ReferenceBuffers.Set(view, start + d, values[start + d]);
                    }
                }
            }
        }
    }

    /// <summary>Sums of all gradients in double, indexed as their buffers.</summary>
    private sealed class Gradients
    {
        private readonly AttentionSizes sizes;
        private readonly AttentionStrides outputStrides;
        private readonly AttentionReferenceProblem problem;
        private readonly double[] output;
        private readonly double[] capped;
        private readonly double[] weights;
        private readonly double[] weightGradient;

        public Gradients(in AttentionBackward call)
        {
            sizes = call.Inputs.Sizes;
            outputStrides = call.Inputs.EffectiveOutputStrides;
            problem = new(call.Inputs);
            output = ReferenceBuffers.Read(call.OutputGradient);
            Query = new double[call.QueryGradient.Length];
            Key = new double[call.KeyGradient.Length];
            Value = new double[call.ValueGradient.Length];
            Bias = new double[call.BiasGradient.Length];
            capped = new double[sizes.KeyLength];
            weights = new double[sizes.KeyLength];
            weightGradient = new double[sizes.KeyLength];
        }

        public double[] Query { get; }

        public double[] Key { get; }

        public double[] Value { get; }

        public double[] Bias { get; }

        public void AddRow(int b, int h, int i)
        {
            problem.RawScores(b, h, i, capped);
            problem.Cap(capped);
            capped.CopyTo(weights, 0);
            problem.Mask(b, h, i, weights);
            problem.Softmax(weights);
            double average = AddValueGradient(b, h, i);
            for (int j = 0; j < weights.Length; j++)
            {
                if (weights[j] == 0) continue;
                double score = weights[j] * (weightGradient[j] - average);
                if (Bias.Length > 0) Bias[problem.BiasAt(b, h, i) + j] += score;
                AddScoreGradient(b, h, i, j, score * problem.CapDerivative(capped[j]));
            }
        }

        // dV += Pᵀ·dO and dP = dO·Vᵀ; returns Σ P ⊙ dP.
        private double AddValueGradient(int b, int h, int i)
        {
            long row = AttentionReferenceProblem.At(outputStrides, b, h, i);
            double average = 0;
            for (int j = 0; j < weights.Length; j++)
            {
                if (weights[j] == 0) continue;
                long value = problem.ValueAt(b, h, j);
                double sum = 0;
                for (int d = 0; d < sizes.ValueDimension; d++)
                {
                    sum += output[row + d] * problem.Value[value + d];
                    Value[value + d] += weights[j] * output[row + d];
                }

                weightGradient[j] = sum;
                average += weights[j] * sum;
            }

            return average;
        }

        private void AddScoreGradient(int b, int h, int i, int j, double gradient)
        {
            long query = problem.QueryAt(b, h, i);
            long key = problem.KeyAt(b, h, j);
            double scaled = gradient * problem.Scale;
            for (int d = 0; d < sizes.HeadDimension; d++)
            {
                Query[query + d] += scaled * problem.Key[key + d];
                Key[key + d] += scaled * problem.Query[query + d];
            }
        }
    }
}
