using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.Robustness;

/// <summary>Outputs that share bytes with anything else, unless in place is allowed.</summary>
public sealed class OverlapTests : KernelTest
{
    private readonly BufferView memory;

    public OverlapTests() => memory = Zeros(4096, DType.Float32);

    [Fact]
    public void Outputs_ThatOverlapInputs_AreRefused()
    {
        LayerNormForward norm = new()
        {
            Input = At(0, 8), Output = At(8, 8), Mean = At(16, 2), InverseStd = At(18, 2),
            Weight = At(20, 4), Rows = 2, Width = 4,
        };
        BackendRegistry.Cpu.Run(norm);
        BackendRegistry.Cpu.Run(norm with { Output = norm.Input });
        Refuses(norm with { Output = At(1, 8) }, "LayerNorm: 'output' overlaps 'input'. ");
        Refuses(norm with { Mean = At(6, 2) }, "LayerNorm: 'mean' overlaps 'input'. ");
        Refuses(norm with { InverseStd = At(17, 2) }, "LayerNorm: 'mean' overlaps 'inverseStd'. ");
        Refuses(norm with { Weight = At(17, 4) }, "LayerNorm: 'mean' overlaps 'weight'. ");

        LinearForward linear = new()
        {
            Input = At(0, 8), Weight = At(8, 12), Bias = At(20, 3), Output = At(24, 6),
            PreActivation = At(32, 6), Rows = 2, InputFeatures = 4, OutputFeatures = 3,
        };
        BackendRegistry.Cpu.Run(linear);
        Refuses(linear with { PreActivation = At(4, 6) },
            "Linear: 'preActivation' overlaps 'input'. ");
        Refuses(linear with { PreActivation = At(29, 6) },
            "Linear: 'output' overlaps 'preActivation'. ");
        Refuses(linear with { Output = At(22, 6) }, "Linear: 'output' overlaps 'bias'. ");

        AdamWForward step = new()
        {
            Parameter = At(0, 4), Gradient = At(4, 4), FirstMoment = At(8, 4),
            SecondMoment = At(12, 4), Length = 4, Step = 1,
        };
        BackendRegistry.Cpu.Run(step);
        Refuses(step with { SecondMoment = At(3, 4) },
            "AdamW: 'parameter' overlaps 'secondMoment'. ");
        Refuses(step with { FirstMoment = At(5, 4) }, "AdamW: 'firstMoment' overlaps 'gradient'. ");
        Refuses(step with { GradientScale = At(14, 1) },
            "AdamW: 'secondMoment' overlaps 'gradientScale'. ");

        Refuses(new GradientNormForward
        {
            Gradient = At(0, 4), Norm = At(5, 1), ClipScale = At(5, 1), Length = 4,
        }, "GradientNorm: 'norm' overlaps 'clipScale'. ");
    }

    [Fact]
    public void OutputsOfRowOps_ThatOverlapInputs_AreRefused()
    {
        RmsNormForward norm = new()
        {
            Input = At(0, 8), Output = At(8, 8), InverseRms = At(18, 2), Weight = At(20, 4),
            Rows = 2, Width = 4,
        };
        BackendRegistry.Cpu.Run(norm);
        BackendRegistry.Cpu.Run(norm with { Output = norm.Input });
        Refuses(norm with { Output = At(1, 8) }, "RmsNorm: 'output' overlaps 'input'. ");
        Refuses(norm with { InverseRms = At(23, 2) },
            "RmsNorm: 'inverseRms' overlaps 'weight'. ");
        RmsNormBackward back = new()
        {
            Sum = At(0, 8), InverseRms = At(8, 2), OutputGradient = At(12, 8),
            InputGradient = At(12, 8), WeightGradient = At(20, 4), Rows = 2, Width = 4,
        };
        BackendRegistry.Cpu.Run(back);
        Refuses(back with { InputGradient = At(1, 8) },
            "RmsNorm: 'inputGradient' overlaps 'sum'. ");
        Refuses(back with { InputGradient = At(24, 8), WeightGradient = At(19, 4) },
            "RmsNorm: 'weightGradient' overlaps 'outputGradient'. ");

        SoftmaxForward softmax = new()
        {
            Input = At(0, 8), Output = At(0, 8), Outer = 2, Length = 4, Inner = 1,
        };
        BackendRegistry.Cpu.Run(softmax);
        Refuses(softmax with { Output = At(1, 8) }, "Softmax: 'output' overlaps 'input'. ");

        TestBuffer labels = Ints(0, 1);
        NegativeLogLikelihoodForward loss = new()
        {
            LogProbabilities = At(0, 8), Labels = labels, Losses = At(8, 2), Loss = At(10, 1),
            Outer = 2, Classes = 4, Inner = 1,
        };
        BackendRegistry.Cpu.Run(loss);
        Refuses(loss with { Loss = At(9, 1) },
            "NegativeLogLikelihood: 'losses' overlaps 'loss'. ");
        Refuses(loss with { Loss = At(7, 1) },
            "NegativeLogLikelihood: 'loss' overlaps 'logProbabilities'. ");
        Refuses(new SoftmaxCrossEntropyForward
        {
            Logits = At(0, 8), Labels = labels, ClassWeights = At(8, 4), LogSumExp = At(11, 2),
            Loss = At(14, 1), Rows = 2, Classes = 4,
        }, "SoftmaxCrossEntropy: 'logSumExp' overlaps 'classWeights'. ");
    }

    [Fact]
    public void InPlace_OfAnotherType_IsRefused()
    {
        BufferView halves = new(memory.Address, 8, DType.Float16);
        Refuses(new LayerNormForward
        {
            Input = At(0, 8), Output = halves, Rows = 2, Width = 4,
        }, "LayerNorm: 'output' overlaps 'input'. ");
    }

    [Fact]
    public void Attention_OutputsAndGradients_AreApart()
    {
        AttentionForward forward = new()
        {
            Inputs = new()
            {
                Query = At(0, 8), Key = At(8, 12), Value = At(20, 12),
                Sizes = new(1, 1, 1, 2, 3, 4, 4),
            },
            Output = At(40, 8),
            LogSumExp = At(50, 2),
        };
        BackendRegistry.Cpu.Run(forward);
        Refuses(forward with { Output = At(7, 8) }, "FusedAttention: 'output' overlaps 'query'. ");
        Refuses(forward with { LogSumExp = At(31, 2) },
            "FusedAttention: 'logSumExp' overlaps 'value'. ");
        Refuses(forward with { Scores = At(51, 6), ScoreOutput = ScoreOutput.Raw },
            "FusedAttention: 'logSumExp' overlaps 'scores'. ");

        AttentionBackward backward = new()
        {
            Inputs = forward.Inputs,
            Output = forward.Output,
            LogSumExp = forward.LogSumExp,
            OutputGradient = At(60, 8),
            QueryGradient = At(70, 8),
            KeyGradient = At(80, 12),
            ValueGradient = At(100, 12),
        };
        BackendRegistry.Cpu.Run(backward);
        Refuses(backward with { QueryGradient = At(60, 8) },
            "FusedAttention: 'queryGradient' overlaps 'outputGradient'. ");
        Refuses(backward with { ValueGradient = At(85, 12) },
            "FusedAttention: 'keyGradient' overlaps 'valueGradient'. ");
        Refuses(backward with { KeyGradient = At(40, 12) },
            "FusedAttention: 'keyGradient' overlaps 'output'. ");
    }

    [Fact]
    public void Attention_PackedGradients_MayInterleave()
    {
        // [S, 3, H, D]: query, key and value are slices of one row.
        const int heads = 2, length = 3, dimension = 4, row = 3 * heads * dimension;
        AttentionStrides strides =
            AttentionStrides.SequenceMajor(heads, length, dimension, row);
        AttentionBackward call = new()
        {
            Inputs = new()
            {
                Query = At(0, 56), Key = At(8, 56), Value = At(16, 56), QueryStrides = strides,
                KeyStrides = strides, ValueStrides = strides,
                Sizes = new(1, heads, heads, length, length, dimension, dimension),
            },
            Output = At(200, 24),
            LogSumExp = At(230, 6),
            OutputGradient = At(240, 24),
            QueryGradient = At(300, 56),
            KeyGradient = At(308, 56),
            ValueGradient = At(316, 56),
        };
        BackendRegistry.Cpu.Run(call);
        Refuses(call with { ValueGradient = At(308, 56) },
            "FusedAttention: 'keyGradient' overlaps 'valueGradient'. ");
        Refuses(call with { QueryGradient = At(304, 56) },
            "FusedAttention: 'queryGradient' overlaps 'keyGradient'. ");
    }

    [Fact]
    public void Attention_RowsThatAreWritten_ShareNoElement()
    {
        AttentionForward call = new()
        {
            Inputs = new()
            {
                Query = At(0, 48), Key = At(48, 12), Value = At(60, 12),
                Sizes = new(2, 2, 1, 3, 3, 4, 4),

                // One key and value sequence for both sequences: reading may broadcast.
                KeyStrides = new(0, 0, 4), ValueStrides = new(0, 0, 4),
            },
            Output = At(100, 48),
        };
        BackendRegistry.Cpu.Run(call);
        foreach (AttentionStrides bad in (AttentionStrides[])
            [new(0, 12, 4), new(24, 0, 4), new(24, 12, 3), new(24, 8, 4), new(20, 12, 4)])
        {
            Refuses(call with { Inputs = call.Inputs with { OutputStrides = bad } },
                $"FusedAttention: 'output' is written, but with strides ({bad.Batch}, " +
                $"{bad.Head}, {bad.Sequence}, 1) rows of [2, 2, 3, 4] overlap. Use strides ");
        }
    }

    private BufferView At(int start, int count) => memory.Slice(start, count);

    private static void Refuses<TCall>(TCall call, string start) where TCall : struct, IOpCall =>
        CallRefusal.Require(call, start);
}
