using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>Row and element kernels on the emulated device, beyond the case table.</summary>
public sealed class RowKernelTests
{
    [SkippableFact]
    public void EveryWayThroughTheKernels_MatchesReference()
    {
        CudaBackend backend = EmulatedDevice.Require();
        string[] wrong = [.. RowCases.All().Select(c => c.Run(backend))
            .Where(r => !r.Passed).Select(r => r.ToString())];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
    }

    // The emulation runs blocks and threads in another order each time.
    [SkippableFact]
    public void Sums_DoNotDependOnTheOrderOfThreads()
    {
        CudaBackend backend = EmulatedDevice.Require();
        foreach (ParityCase single in RowCases.All().Where(c => c.DType == DType.Float32 &&
            (c.Name is "rows of 1024" or "rows of 2560" || c.Op == "Embedding")))
        {
            IReadOnlyDictionary<string, byte[]> first = single.Execute(backend);
            for (int run = 0; run < 3; run++)
            {
                foreach ((string name, byte[] bytes) in single.Execute(backend))
                    Assert.True(bytes.SequenceEqual(first[name]), $"{single.Op} {name}");
            }
        }
    }

    [SkippableFact]
    public void CrossEntropy_OfALabelThatIsNoClass_IsNaN()
    {
        CudaBackend backend = EmulatedDevice.Require();
        using DeviceArray<float> logits = new(backend, 1, 2, 3, 4, 5, 6);
        using DeviceArray<int> labels = new(backend, 1, 3);
        using DeviceArray<float> rows = new(backend, 0, 0), sums = new(backend, 0, 0);
        using DeviceArray<float> loss = new(backend, 0), gradient = new(backend, new float[6]);
        backend.Run(new SoftmaxCrossEntropyForward
        {
            Logits = logits.View, Labels = labels.View, RowLosses = rows.View,
            LogSumExp = sums.View, Loss = loss.View, Rows = 2, Classes = 3,
            Reduction = LossReduction.Sum,
        });
        backend.Run(new SoftmaxCrossEntropyBackward
        {
            Logits = logits.View, Labels = labels.View, LogSumExp = sums.View,
            LogitsGradient = gradient.View, Rows = 2, Classes = 3,
            Reduction = LossReduction.Sum,
        });
        Assert.Equal(1.407606f, rows.Read()[0], 1e-5f);
        Assert.True(float.IsNaN(rows.Read()[1]) && float.IsNaN(loss.Read()[0]));
        Assert.Equal(0.0900306f, gradient.Read()[0], 1e-6f);
        Assert.All(gradient.Read()[3..], value => Assert.True(float.IsNaN(value)));
    }

    [SkippableFact]
    public void NegativeLogLikelihood_OfALabelThatIsNoClass_IsNaN()
    {
        CudaBackend backend = EmulatedDevice.Require();
        using DeviceArray<float> logarithms = new(backend, -1, -2, -3, -4);
        using DeviceArray<int> labels = new(backend, 1, -5);
        using DeviceArray<float> losses = new(backend, 0, 0), loss = new(backend, 0);
        backend.Run(new NegativeLogLikelihoodForward
        {
            LogProbabilities = logarithms.View, Labels = labels.View, Losses = losses.View,
            Loss = loss.View, Outer = 2, Classes = 2, Inner = 1,
        });
        Assert.Equal(2, losses.Read()[0]);
        Assert.True(float.IsNaN(losses.Read()[1]) && float.IsNaN(loss.Read()[0]));
    }

    [SkippableFact]
    public void Embedding_OfAnIdOutsideTheTable_IsNaNAndHasNoGradient()
    {
        CudaBackend backend = EmulatedDevice.Require();
        using DeviceArray<float> table = new(backend, 1, 2, 3, 4);
        using DeviceArray<int> ids = new(backend, 1, 2, -1, 1);
        using DeviceArray<float> output = new(backend, new float[8]);
        backend.Run(new EmbeddingForward
        {
            Ids = ids.View, Table = table.View, Output = output.View, Rows = 4,
            SequenceLength = 4, Width = 2,
        });
        Assert.Equal(
            [3, 4, float.NaN, float.NaN, float.NaN, float.NaN, 3, 4], output.Read());
        using DeviceArray<float> gradient = new(backend, 1, 10, 2, 20, 3, 30, 4, 40);
        using DeviceArray<float> target = new(backend, 100, 100, 100, 100);
        backend.Run(new EmbeddingBackward
        {
            Ids = ids.View, OutputGradient = gradient.View, TableGradient = target.View,
            Rows = 4, SequenceLength = 4, Width = 2, Scale = 2,
        });
        Assert.Equal([100, 100, 110, 200], target.Read());
    }

    [SkippableFact]
    public void Rotary_OfAPositionOutsideTheTables_IsNaN()
    {
        CudaBackend backend = EmulatedDevice.Require();
        using DeviceArray<float> input = new(backend, 1, 2, 3, 4);
        using DeviceArray<float> cosines = new(backend, 0, 1), sines = new(backend, 1, 0);
        using DeviceArray<int> ids = new(backend, 0, 2);
        using DeviceArray<float> output = new(backend, new float[4]);
        backend.Run(new RotaryEmbeddingForward
        {
            Inputs = new()
            {
                Tables = new()
                {
                    Cosines = cosines.View, Sines = sines.View, MaxPositions = 2,
                },
                PositionIds = ids.View,
                Sizes = new(1, 1, 2, 2),
            },
            Input = input.View,
            Output = output.View,
        });
        Assert.Equal([-2, 1, float.NaN, float.NaN], output.Read());
    }

    [SkippableFact]
    public void Calls_AllocateNothingManaged()
    {
        CudaBackend backend = EmulatedDevice.Require();
        using DeviceArray<float> matrix = new(backend, new float[64]);
        using DeviceArray<float> other = new(backend, new float[64]);
        using DeviceArray<float> row = new(backend, new float[16]);
        using DeviceArray<float> weights = new(backend, new float[16]);
        using DeviceArray<int> ids = new(backend, 1, 2, 3, 0);
        LayerNormBackward norm = new()
        {
            Sum = matrix.View, Mean = row.View.Slice(0, 4), InverseStd = row.View.Slice(4, 4),
            OutputGradient = matrix.View, InputGradient = other.View,
            WeightGradient = weights.View, Rows = 4, Width = 16,
        };
        EmbeddingBackward embedding = new()
        {
            Ids = ids.View, OutputGradient = matrix.View, TableGradient = other.View,
            Rows = 4, SequenceLength = 4, Width = 16,
        };
        SoftmaxCrossEntropyForward loss = new()
        {
            Logits = matrix.View, Labels = ids.View, LogSumExp = row.View.Slice(0, 4),
            Loss = row.View.Slice(8, 1), Rows = 4, Classes = 16,
        };
        Assert.Equal(0, ManagedAllocations.Least(Step, warmUp: 1));

        void Step()
        {
            backend.Run(norm);
            backend.Run(embedding);
            backend.Run(loss);
            backend.Synchronize();
        }
    }
}
