using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.FusedAttention;

/// <summary>Buffers of one attention call, run forward and backward on the reference.</summary>
internal sealed class AttentionProblem
{
    private readonly KernelTest test;

    public AttentionProblem(KernelTest test, AttentionInputs inputs)
    {
        this.test = test;
        Inputs = inputs;
        AttentionSizes s = inputs.Sizes;
        long rows = (long)s.Batch * s.QueryHeads * s.QueryLength;
        Output = test.Output(rows * s.ValueDimension);
        LogSumExp = test.Output(rows);
        QueryGradient = test.Output(inputs.Query.Length);
        KeyGradient = test.Output(inputs.Key.Length);
        ValueGradient = test.Output(inputs.Value.Length);
        BiasGradient = test.Zeros(inputs.Bias.Length);
    }

    public AttentionInputs Inputs { get; }

    public TestBuffer Output { get; }

    public TestBuffer LogSumExp { get; }

    public TestBuffer QueryGradient { get; }

    public TestBuffer KeyGradient { get; }

    public TestBuffer ValueGradient { get; }

    public TestBuffer BiasGradient { get; }

    /// <summary>Random contiguous queries, keys and values.</summary>
    public static AttentionInputs Random(KernelTest test, AttentionSizes s, int seed = 1) => new()
    {
        Query = test.Real(Numbers.Normal(seed, (long)s.Batch * s.QueryHeads * s.QueryLength *
            s.HeadDimension)),
        Key = test.Real(Numbers.Normal(seed + 1, (long)s.Batch * s.KeyValueHeads * s.KeyLength *
            s.HeadDimension)),
        Value = test.Real(Numbers.Normal(seed + 2, (long)s.Batch * s.KeyValueHeads * s.KeyLength *
            s.ValueDimension)),
        Sizes = s,
    };

    public void Forward() => BackendRegistry.Reference.Run(new AttentionForward
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
            test.Output((long)s.Batch * s.QueryHeads * s.QueryLength * s.KeyLength);
        BackendRegistry.Reference.Run(new AttentionForward
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
        BackendRegistry.Reference.Run(new AttentionBackward
        {
            Inputs = Inputs,
            Output = Output,
            LogSumExp = LogSumExp,
            OutputGradient = test.Real(outputGradient),
            QueryGradient = QueryGradient,
            KeyGradient = KeyGradient,
            ValueGradient = ValueGradient,
            BiasGradient = Inputs.Bias.IsPresent ? BiasGradient : default(BufferView),
        });
}
