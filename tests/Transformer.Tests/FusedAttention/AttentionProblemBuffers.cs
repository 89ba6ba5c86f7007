using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Tests.FusedAttention;

/// <summary>All buffers of an attention problem, both directions, with random inputs.</summary>
public sealed class AttentionProblemBuffers : IDisposable
{
    private readonly List<Tensor> tensors = [];
    private AttentionInputs inputs;

    public AttentionProblemBuffers(AttentionSizes sizes, AttentionOptions options = default)
    {
        long rows = (long)sizes.Batch * sizes.QueryHeads * sizes.QueryLength;
        long keys = (long)sizes.Batch * sizes.KeyValueHeads * sizes.KeyLength;
        Query = Random(rows * sizes.HeadDimension);
        Key = Random(keys * sizes.HeadDimension);
        Value = Random(keys * sizes.ValueDimension);
        Output = Random(rows * sizes.ValueDimension);
        LogSumExp = Random(rows);
        OutputGradient = Random(rows * sizes.ValueDimension);
        QueryGradient = Random(rows * sizes.HeadDimension);
        KeyGradient = Random(keys * sizes.HeadDimension);
        ValueGradient = Random(keys * sizes.ValueDimension);
        inputs = new()
        {
            Query = Query.View,
            Key = Key.View,
            Value = Value.View,
            Sizes = sizes,
            Options = options,
        };
    }

    public Tensor Query { get; }

    public Tensor Key { get; }

    public Tensor Value { get; }

    public Tensor Output { get; }

    public Tensor LogSumExp { get; }

    public Tensor OutputGradient { get; }

    public Tensor QueryGradient { get; }

    public Tensor KeyGradient { get; }

    public Tensor ValueGradient { get; }

    public Tensor? BiasGradient { get; private set; }

    public AttentionForward ForwardCall => new()
    {
        Inputs = inputs,
        Output = Output.View,
        LogSumExp = LogSumExp.View,
    };

    public AttentionBackward BackwardCall => new()
    {
        Inputs = inputs,
        Output = Output.View,
        LogSumExp = LogSumExp.View,
        OutputGradient = OutputGradient.View,
        QueryGradient = QueryGradient.View,
        KeyGradient = KeyGradient.View,
        ValueGradient = ValueGradient.View,
        BiasGradient = BiasGradient?.View ?? default,
    };

    /// <summary>Adds a random bias of the given shape.</summary>
    public void AddBias(params long[] shape)
    {
        TensorShape biasShape = new(shape);
        BiasGradient = Random(biasShape.ElementCount);
        BiasGradient.AsSpan<float>().Clear();
        inputs = inputs with
        {
            Bias = Random(biasShape.ElementCount).View,
            BiasLayout = AttentionMaskLayout.FromShape(biasShape, inputs.Sizes),
        };
    }

    /// <summary>Adds a mask of the given shape.</summary>
    public void AddMask(bool[] values, params long[] shape)
    {
        Tensor mask = new(new(shape), DType.Bool);
        tensors.Add(mask);
        mask.CopyFrom<bool>(values);
        inputs = inputs with
        {
            Mask = mask.View,
            MaskLayout = AttentionMaskLayout.FromShape(new(shape), inputs.Sizes),
        };
    }

    public void Run(Backend backend, bool backward)
    {
        backend.Run(ForwardCall);
        if (backward) backend.Run(BackwardCall);
    }

    /// <summary>Every result, one after another.</summary>
    public float[] Results(bool backward)
    {
        List<float> all = [.. Output.AsSpan<float>(), .. LogSumExp.AsSpan<float>()];
        if (!backward) return [.. all];
        all.AddRange(QueryGradient.AsSpan<float>());
        all.AddRange(KeyGradient.AsSpan<float>());
        all.AddRange(ValueGradient.AsSpan<float>());
        if (BiasGradient is not null) all.AddRange(BiasGradient.AsSpan<float>());
        return [.. all];
    }

    public void Dispose()
    {
        foreach (Tensor tensor in tensors) tensor.Dispose();
    }

    private Tensor Random(long count)
    {
        Tensor tensor = new(new(count));
        Random random = new(1000 + tensors.Count);
        tensors.Add(tensor);
        foreach (ref float x in tensor.AsSpan<float>()) x = (float)((2 * random.NextDouble()) - 1);
        return tensor;
    }
}
