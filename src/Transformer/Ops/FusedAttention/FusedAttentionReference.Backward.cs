namespace Transformer.Ops;

internal sealed partial class FusedAttentionReference
{
    public void Run(in AttentionBackward call)
    {
        AttentionInputs inputs = call.Inputs;
        AttentionSizes sizes = inputs.Sizes;
        if (sizes.Batch == 0 || (sizes.QueryLength == 0 && sizes.KeyLength == 0)) return;
        AttentionReferenceProblem problem = new(inputs, writesKeys: true);
        Gradients gradients = new(call, problem);
        for (int b = 0; b < sizes.Batch; b++)
        {
            int queries = problem.Sequences.Queries(b);
            for (int h = 0; queries > 0 && h < sizes.QueryHeads; h++)
            for (int i = 0; i < queries; i++)
            {
                gradients.AddRow(b, h, i);
            }
        }

        problem.ScatterQueries(gradients.Query, call.QueryGradient,
            inputs.EffectiveQueryStrides, sizes.HeadDimension);
        problem.ScatterKeys(gradients.Key, call.KeyGradient, inputs.EffectiveKeyStrides,
            sizes.HeadDimension);
        problem.ScatterKeys(gradients.Value, call.ValueGradient,
            inputs.EffectiveValueStrides, sizes.ValueDimension);
        ReferenceBuffers.Add(call.BiasGradient, gradients.Bias);
        ReferenceBuffers.Add(call.RelativeBiasGradient, gradients.RelativeBias);
        ReferenceBuffers.Add(call.SinkGradient, gradients.Sinks);
    }

    /// <summary>Sums of all gradients in double: those of query, key and value dense [B, heads, S,
    /// D], the others indexed as their buffers.</summary>
    private sealed class Gradients
    {
        private readonly AttentionSizes sizes;
        private readonly AttentionInputs inputs;
        private readonly AttentionReferenceProblem problem;
        private readonly double[] outputGradient;
        private readonly double[] capped;
        private readonly double[] weights;
        private readonly double[] weightGradient;

        public Gradients(in AttentionBackward call, AttentionReferenceProblem problem)
        {
            inputs = call.Inputs;
            sizes = problem.Sizes;
            this.problem = problem;
            outputGradient = problem.GatherQueries(
                call.OutputGradient, inputs.EffectiveOutputStrides, sizes.ValueDimension);
            Query = new double[problem.Query.Length];
            Key = new double[problem.Key.Length];
            Value = new double[problem.Value.Length];
            Bias = new double[call.BiasGradient.Length];
            RelativeBias = new double[call.RelativeBiasGradient.Length];
            Sinks = new double[call.SinkGradient.Length];
            capped = new double[sizes.KeyLength];
            weights = new double[sizes.KeyLength];
            weightGradient = new double[sizes.KeyLength];
        }

        public double[] Query { get; }

        public double[] Key { get; }

        public double[] Value { get; }

        public double[] Bias { get; }

        public double[] RelativeBias { get; }

        public double[] Sinks { get; }

        public void AddRow(int b, int h, int i)
        {
            problem.RawScores(b, h, i, capped);
            problem.Cap(capped);
            capped.CopyTo(weights, 0);
            problem.Mask(b, h, i, weights);
            double logSumExp = problem.Softmax(h, weights);
            double average = AddValueGradient(b, h, i);
            if (Sinks.Length > 0 && !double.IsNegativeInfinity(logSumExp))
            {
                double sink = ReferenceBuffers.Get(inputs.Sinks, h);
                Sinks[h] -= Math.Exp(sink - logSumExp) * average;
            }

            for (int j = 0; j < weights.Length; j++)
            {
                if (weights[j] == 0) continue;
                double score = weights[j] * (weightGradient[j] - average);
                if (Bias.Length > 0) Bias[problem.BiasAt(b, h, i) + j] += score;
                if (RelativeBias.Length > 0)
                {
                    RelativeBias[(problem.Bucket(b, i, j) * sizes.QueryHeads) + h] += score;
                }

                AddScoreGradient(
                    b, h, i, j, score * problem.Derivative(capped[j], b, h, i, j));
            }
        }

        // dV += (P ⊙ M)ᵀ·dO and dP = M ⊙ (dO·Vᵀ); returns Σ P ⊙ dP.
        private double AddValueGradient(int b, int h, int i)
        {
            int row = problem.QueryRow(b, h, i) * sizes.ValueDimension;
            double average = 0;
            for (int j = 0; j < weights.Length; j++)
            {
                if (weights[j] == 0) continue;
                int value = problem.KeyRow(b, h, j) * sizes.ValueDimension;
                double keep = problem.Keep(b, h, i, j);
                double sum = 0;
                for (int d = 0; d < sizes.ValueDimension && keep != 0; d++)
                {
                    sum += outputGradient[row + d] * problem.Value[value + d];
                    Value[value + d] += weights[j] * keep * outputGradient[row + d];
                }

                weightGradient[j] = keep * sum;
                average += weights[j] * keep * sum;
            }

            return average;
        }

        private void AddScoreGradient(int b, int h, int i, int j, double gradient)
        {
            int query = problem.QueryRow(b, h, i) * sizes.HeadDimension;
            int key = problem.KeyRow(b, h, j) * sizes.HeadDimension;
            double scaled = gradient * problem.Scale;
            for (int d = 0; d < sizes.HeadDimension; d++)
            {
                Query[query + d] += scaled * problem.Key[key + d];
                Key[key + d] += scaled * problem.Query[query + d];
            }
        }
    }
}
