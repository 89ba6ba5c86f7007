using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Fixtures;
using Transformer.Tests.Support;

namespace Transformer.Tests.Layers;

/// <summary>A tensor [B, S, Width] of a composed layer, and the gradient that has reached it.
/// </summary>
internal sealed class Node(TestBuffer data, int batch, int length)
{
    public TestBuffer Data { get; } = data;

    public double[] Gradient { get; } = new double[data.Length];

    public int Batch { get; } = batch;

    public int Length { get; } = length;

    public int Rows => Batch * Length;

    public int Width => Data.Length / Rows;

    public void AddGradient(TestBuffer gradient)
    {
        for (int i = 0; i < Gradient.Length; i++) Gradient[i] += gradient[i];
    }
}

/// <summary>
/// Composes the reference's ops by hand into the layers that PyTorch recorded, remembering each
/// op's backward call. Parameters come from a fixture under PyTorch's names.
/// </summary>
internal sealed partial class LayerTape(KernelTest test, Fixture fixture)
{
    private readonly Dictionary<string, (TestBuffer Value, TestBuffer Gradient)> parameters = [];
    private readonly Stack<Action> backward = new();

    private static Backend Backend => BackendRegistry.Reference;

    public IReadOnlyDictionary<string, (TestBuffer Value, TestBuffer Gradient)> Parameters =>
        parameters;

    /// <summary>An input tensor of the fixture.</summary>
    public Node Input(string name)
    {
        long[] shape = fixture.Shape(name);
        return new(test.Real(fixture.Doubles(name)), (int)shape[0], (int)shape[1]);
    }

    /// <summary>Runs all backward calls, last first.</summary>
    public void Backward(Node output, double[] gradient)
    {
        gradient.CopyTo(output.Gradient, 0);
        while (backward.TryPop(out Action? step)) step();
    }

    /// <summary>x·Wᵀ + b with some rows of a (stacked) weight.</summary>
    public Node Linear(Node x, string weight, string bias, int firstRow, int outputs)
    {
        (BufferView w, BufferView dw) = Slice(weight, (long)firstRow * x.Width, outputs * x.Width);
        (BufferView b, BufferView db) = Slice(bias, firstRow, outputs);
        Node y = new(test.Output((long)x.Rows * outputs), x.Batch, x.Length);
        Backend.Run(new LinearForward
        {
            Input = x.Data,
            Weight = w,
            Bias = b,
            Output = y.Data,
            Rows = x.Rows,
            InputFeatures = x.Width,
            OutputFeatures = outputs,
        });
        backward.Push(() =>
        {
            TestBuffer gradient = test.Output(x.Data.Length);
            Backend.Run(new LinearBackward
            {
                Input = x.Data,
                Weight = w,
                OutputGradient = test.Real(y.Gradient),
                InputGradient = gradient,
                WeightGradient = dw,
                BiasGradient = db,
                Rows = x.Rows,
                InputFeatures = x.Width,
                OutputFeatures = outputs,
            });
            x.AddGradient(gradient);
        });
        return y;
    }

    /// <summary>sum = x + residual and its normalisation, by one fused call.</summary>
    public (Node Sum, Node Norm) AddNorm(Node x, Node? residual, string name)
    {
        (TestBuffer weight, TestBuffer weightGradient) = Parameter(name + ".weight");
        (TestBuffer bias, TestBuffer biasGradient) = Parameter(name + ".bias");
        Node sum = new(test.Output(x.Data.Length), x.Batch, x.Length);
        Node norm = new(test.Output(x.Data.Length), x.Batch, x.Length);
        TestBuffer mean = test.Output(x.Rows);
        TestBuffer inverseStd = test.Output(x.Rows);
        Backend.Run(new LayerNormForward
        {
            Input = x.Data,
            Residual = residual?.Data,
            Weight = weight,
            Bias = bias,
            Sum = sum.Data,
            Output = norm.Data,
            Mean = mean,
            InverseStd = inverseStd,
            Rows = x.Rows,
            Width = x.Width,
        });
        backward.Push(() =>
        {
            TestBuffer gradient = test.Output(x.Data.Length);
            Backend.Run(new LayerNormBackward
            {
                Sum = sum.Data,
                Weight = weight,
                Mean = mean,
                InverseStd = inverseStd,
                OutputGradient = test.Real(norm.Gradient),
                SumGradient = test.Real(sum.Gradient),
                InputGradient = gradient,
                WeightGradient = weightGradient,
                BiasGradient = biasGradient,
                Rows = x.Rows,
                Width = x.Width,
            });
            x.AddGradient(gradient);
            residual?.AddGradient(gradient);
        });
        return (sum, norm);
    }

    public Node Add(Node left, Node right)
    {
        Node sum = new(test.Output(left.Data.Length), left.Batch, left.Length);
        Backend.Run(new AddForward
        {
            Left = left.Data,
            Right = right.Data,
            Output = sum.Data,
            Length = left.Data.Length,
        });
        backward.Push(() =>
        {
            TestBuffer gradient = test.Real(sum.Gradient);
            left.AddGradient(gradient);
            right.AddGradient(gradient);
        });
        return sum;
    }

    /// <summary>PyTorch's linear1, activation, linear2.</summary>
    public Node FeedForward(Node x, string prefix, Activation activation)
    {
        (TestBuffer w1, TestBuffer dw1) = Parameter(prefix + "linear1.weight");
        (TestBuffer b1, TestBuffer db1) = Parameter(prefix + "linear1.bias");
        (TestBuffer w2, TestBuffer dw2) = Parameter(prefix + "linear2.weight");
        (TestBuffer b2, TestBuffer db2) = Parameter(prefix + "linear2.bias");
        Node y = new(test.Output(x.Data.Length), x.Batch, x.Length);
        TestBuffer preActivation = test.Output((long)x.Rows * b1.Length);
        Backend.Run(new GeluFeedForwardForward
        {
            Input = x.Data,
            Weight1 = w1,
            Bias1 = b1,
            Weight2 = w2,
            Bias2 = b2,
            Output = y.Data,
            PreActivation = preActivation,
            Rows = x.Rows,
            Width = x.Width,
            Hidden = b1.Length,
            OutputWidth = x.Width,
            Activation = activation,
        });
        backward.Push(() =>
        {
            TestBuffer gradient = test.Output(x.Data.Length);
            Backend.Run(new GeluFeedForwardBackward
            {
                Input = x.Data,
                Weight1 = w1,
                Weight2 = w2,
                PreActivation = preActivation,
                OutputGradient = test.Real(y.Gradient),
                InputGradient = gradient,
                Weight1Gradient = dw1,
                Bias1Gradient = db1,
                Weight2Gradient = dw2,
                Bias2Gradient = db2,
                Rows = x.Rows,
                Width = x.Width,
                Hidden = b1.Length,
                OutputWidth = x.Width,
                Activation = activation,
            });
            x.AddGradient(gradient);
        });
        return y;
    }

    private (TestBuffer Value, TestBuffer Gradient) Parameter(string name)
    {
        if (!parameters.TryGetValue(name, out (TestBuffer Value, TestBuffer Gradient) found))
        {
            TestBuffer value = test.Real(fixture.Doubles(name));
            found = (value, test.Zeros(value.Length));
            parameters.Add(name, found);
        }

        return found;
    }

    private (BufferView Value, BufferView Gradient) Slice(string name, long start, long length)
    {
        (TestBuffer value, TestBuffer gradient) = Parameter(name);
        return (value.View.Slice(start, length), gradient.View.Slice(start, length));
    }
}
