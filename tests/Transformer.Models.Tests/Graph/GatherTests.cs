using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Graph;

/// <summary>The gradient of chosen rows: added up at the rows, zero elsewhere, anew at each run.
/// </summary>
public sealed class GatherTests
{
    [Theory]
    [InlineData("reference")]
    [InlineData("simd")]
    public void Gradient_IsAddedToTheChosenRows(string backend)
    {
        // loss = Σ over chosen rows of their log-sum-exp − x[label]: the gradient of a row is
        // softmax(x) − onehot, once for each time it was chosen.
        Backend device = BackendRegistry.Find(backend);
        using ParameterSet parameters = new(device);
        parameters.Allocate(seed: 1);
        GraphBuilder g = new("gather", parameters);
        GraphTensor x = g.Input("x", new(2, 3, 4));
        GraphTensor rows = g.Input("rows", new(2, 2), DType.Int32);
        GraphTensor other = g.Input("other", new(2, 1), DType.Int32);
        GraphTensor first = g.CrossEntropy(
            g.Gather(x, rows), g.Input("labels", new(2, 2), DType.Int32),
            reduction: Ops.LossReduction.Sum);
        GraphTensor second = g.CrossEntropy(
            g.Gather(x, other), g.Input("moreLabels", new(2), DType.Int32),
            reduction: Ops.LossReduction.Sum);
        g.Output("loss", g.Add(first, second));
        using CompiledGraph graph = g.Compile(
            new() { Backend = device, Training = true, InputGradients = ["x"] });
        float[] numbers = [.. Enumerable.Range(0, 24).Select(i => (float)Math.Sin(i))];
        graph.Feed<float>("x", numbers);
        graph.Feed<int>("rows", [5, 1, 5, 0]);
        graph.Feed<int>("labels", [3, 2, 1, 0]);
        graph.Feed<int>("other", [1, 3]);
        graph.Feed<int>("moreLabels", [0, 1]);
        double[] expected = new double[24];
        foreach ((int row, int label) in
            (ReadOnlySpan<(int, int)>)[(5, 3), (1, 2), (5, 1), (0, 0), (1, 0), (3, 1)])
        {
            double sum = 0;
            for (int c = 0; c < 4; c++) sum += Math.Exp(numbers[(row * 4) + c]);
            for (int c = 0; c < 4; c++)
            {
                expected[(row * 4) + c] +=
                    (Math.Exp(numbers[(row * 4) + c]) / sum) - (c == label ? 1 : 0);
            }
        }

        for (int run = 0; run < 3; run++)
        {
            graph.Forward();
            graph.Backward();
            float[] gradient = new float[24];
            graph.Fetch<float>("x.gradient", gradient);

            // Sums of up to three numbers below 1, rounded to fp32.
            for (int i = 0; i < 24; i++) Assert.Equal(expected[i], gradient[i], 1e-6);
            Assert.All(gradient[8..12], v => Assert.Equal(0, v));
        }
    }
}
