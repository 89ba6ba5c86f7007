using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>Buffers of one attention call, run forward and backward: in double on the reference
/// unless told otherwise.</summary>
internal sealed class AttentionProblem
{
    private readonly KernelTest test;
    private readonly DType dtype;
    private readonly Backend backend;

    public AttentionProblem(
        KernelTest test, AttentionInputs inputs, DType dtype = DType.Float64,
        Backend? backend = null)
    {
        this.test = test;
        this.dtype = dtype;
        this.backend = backend ?? BackendRegistry.Reference;
        Inputs = inputs;
        long rows = inputs.QueryRows * inputs.Sizes.QueryHeads;
        Output = test.Output(rows * inputs.Sizes.ValueDimension, dtype);
        LogSumExp = test.Output(rows, dtype.Size() == 2 ? DType.Float32 : dtype);
        QueryGradient = test.Output(inputs.Query.Length, dtype);
        KeyGradient = test.Output(inputs.Key.Length, dtype);
        ValueGradient = test.Output(inputs.Value.Length, dtype);
        BiasGradient = test.Zeros(inputs.Bias.Length, dtype);
        RelativeBiasGradient = test.Zeros(inputs.RelativeBias.Length, dtype);
        SinkGradient = test.Zeros(inputs.Sinks.Length, dtype);
    }

    public AttentionInputs Inputs { get; }

    public TestBuffer Output { get; }

    public TestBuffer LogSumExp { get; }

    public TestBuffer QueryGradient { get; }

    public TestBuffer KeyGradient { get; }

    public TestBuffer ValueGradient { get; }

    public TestBuffer BiasGradient { get; }

    public TestBuffer RelativeBiasGradient { get; }

    public TestBuffer SinkGradient { get; }

    /// <summary>Random contiguous queries, keys and values.</summary>
    public static AttentionInputs Random(
        KernelTest test, AttentionSizes s, int seed = 1, DType dtype = DType.Float64) => new()
        {
            Query = test.Real(Numbers.Normal(seed, (long)s.Batch * s.QueryHeads * s.QueryLength *
                s.HeadDimension), dtype),
            Key = test.Real(Numbers.Normal(seed + 1, (long)s.Batch * s.KeyValueHeads *
                s.KeyLength * s.HeadDimension), dtype),
            Value = test.Real(Numbers.Normal(seed + 2, (long)s.Batch * s.KeyValueHeads *
                s.KeyLength * s.ValueDimension), dtype),
            Sizes = s,
        };

    public void Forward() => backend.Run(new AttentionForward
    {
        Inputs = Inputs,
        Output = Output,
        LogSumExp = LogSumExp,
    });

    /// <summary>Runs forward and returns the scores [B, Hq, Sq, Skv] of one stage.</summary>
    public double[] Scores(ScoreOutput stage)
    {
        AttentionSizes s = Inputs.Sizes;
        TestBuffer scores =
            test.Output((long)s.Batch * s.QueryHeads * s.QueryLength * s.KeyLength, dtype);
        backend.Run(new AttentionForward
        {
            Inputs = Inputs,
            Output = Output,
            LogSumExp = LogSumExp,
            Scores = scores,
            ScoreOutput = stage,
        });
        return scores.Values;
    }

    public void Backward(double[] outputGradient) =>
        backend.Run(new AttentionBackward
        {
            Inputs = Inputs,
            Output = Output,
            LogSumExp = LogSumExp,
            OutputGradient = test.Real(outputGradient, dtype),
            QueryGradient = QueryGradient,
            KeyGradient = KeyGradient,
            ValueGradient = ValueGradient,
            BiasGradient = Inputs.Bias.IsPresent ? BiasGradient : default(BufferView),
            RelativeBiasGradient =
                Inputs.RelativeBias.IsPresent ? RelativeBiasGradient : default(BufferView),
            SinkGradient = Inputs.Sinks.IsPresent ? SinkGradient : default(BufferView),
        });
}
