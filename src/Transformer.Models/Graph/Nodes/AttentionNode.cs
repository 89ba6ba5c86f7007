using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>Fused attention over [B, S, H·D] operands, each a tensor or columns of a packed one.
/// </summary>
internal sealed class AttentionNode : GraphNode
{
    public const string Op = "FusedAttention";

    private readonly AttentionNodeOptions options;
    private int queryColumn;
    private int keyColumn;
    private int valueColumn;

    public AttentionNode(
        string name, GraphTensor query, GraphTensor key, GraphTensor value,
        AttentionNodeOptions options)
        : base(name, [query, key, value, options.KeyLengths, options.Mask, options.Bias],
            Infer(name, query, key, value, options, out AttentionSizes sizes))
    {
        this.options = options;
        Sizes = sizes;
        Slopes = ParameterBlock.Of(options.AlibiSlopes);
        RelativeBias = ParameterBlock.Of(options.RelativeBias);
    }

    public override string Kind => Inputs[1] == Inputs[2] && keyColumn != valueColumn
        ? Op + "+packed" : Op;

    public AttentionSizes Sizes { get; }

    public ParameterBlock? RelativeBias { get; }

    public override IEnumerable<ParameterBlock?> Parameters => [Slopes, RelativeBias];

    private ParameterBlock? Slopes { get; }

    public override bool IsOptional(int output) => output == 1;

    public override void Bind(Binder binder) => binder.Emit(new AttentionForward
    {
        Inputs = BindInputs(binder, Inputs),
        Output = binder.View(Outputs[0]),
        LogSumExp = binder.View(Outputs[1]),
        Scores = Outputs.Length > 2 ? binder.View(Outputs[2]) : default,
        ScoreOutput = options.ScoreOutput,
    });

    /// <summary>The call's inputs from the first six slots of this node or its backward node.
    /// </summary>
    public AttentionInputs BindInputs(Binder binder, GraphTensor?[] slots) => new()
    {
        Query = Columns(binder, slots[0]!, queryColumn),
        Key = Columns(binder, slots[1]!, keyColumn),
        Value = Columns(binder, slots[2]!, valueColumn),
        QueryStrides = AttentionStrides.SequenceMajor(
            Sizes.QueryHeads, Sizes.QueryLength, Sizes.HeadDimension, slots[0]!.Width),
        KeyStrides = AttentionStrides.SequenceMajor(
            Sizes.KeyValueHeads, Sizes.KeyLength, Sizes.HeadDimension, slots[1]!.Width),
        ValueStrides = AttentionStrides.SequenceMajor(
            Sizes.KeyValueHeads, Sizes.KeyLength, Sizes.ValueDimension, slots[2]!.Width),
        OutputStrides = AttentionStrides.SequenceMajor(
            Sizes.QueryHeads, Sizes.QueryLength, Sizes.ValueDimension),
        KeyLengths = binder.View(slots[3]),
        Mask = binder.View(slots[4]),
        MaskLayout = Layout(slots[4]),
        Bias = binder.View(slots[5]),
        BiasLayout = Layout(slots[5]),
        AlibiSlopes = binder.Value(Slopes),
        RelativeBias = binder.Value(RelativeBias),
        Sizes = Sizes,
        Options = new AttentionOptions
        {
            Scale = options.Scale,
            SoftCap = options.SoftCap,
            Causal = options.Causal,
            PastLength = options.PastLength,
            Window = options.Window,
            RelativeBuckets = options.RelativeBuckets,
        },
    };

    /// <summary>The gradients' views, laid out as the operands are.</summary>
    public (BufferView Query, BufferView Key, BufferView Value) BindGradients(
        Binder binder, GraphTensor query, GraphTensor key, GraphTensor value) =>
        (Columns(binder, query, queryColumn), Columns(binder, key, keyColumn),
            Columns(binder, value, valueColumn));

    public override void Differentiate(GradientBuilder gradients)
    {
        if (gradients.Needs(Inputs[5]))
        {
            throw new NotSupportedException(
                $"{Op} '{Name}': the bias '{Inputs[5]!.Name}' depends on parameters; its " +
                "gradient is not supported. Feed the bias as an input.");
        }

        GraphTensor[] results = OperandGradients();
        gradients.Nodes.Add(new AttentionBackwardNode(
            this, gradients.Gradient(Outputs[0])!, [.. results.Distinct()], results));
        foreach ((GraphTensor result, int slot) in
            results.Select((result, slot) => (result, slot)).DistinctBy(pair => pair.result))
        {
            gradients.Contribute(Required(slot), result);
        }
    }

    // Slices of one packed tensor share its gradient, which they cover. The same columns read
    // twice, such as keys that are the values too, get a gradient from each.
    private GraphTensor[] OperandGradients()
    {
        int[] columns = [queryColumn, keyColumn, valueColumn];
        GraphTensor[] results = new GraphTensor[3];
        for (int slot = 0; slot < 3; slot++)
        {
            GraphTensor operand = Required(slot);
            int[] earlier = [.. Enumerable.Range(0, slot).Where(s => Required(s) == operand)];
            bool shares = earlier.Length > 0 &&
                !earlier.Any(s => columns[s] == columns[slot]);
            results[slot] = shares ? results[earlier[0]] : operand.Like(operand.Name + ".gradient");
        }

        return results;
    }

    public override void AddRangeChecks(List<RangeCheck> checks)
    {
        if (Inputs[3] is { Source: TensorSource.Input } lengths)
        {
            checks.Add(new(lengths, 0, Sizes.KeyLength + 1, null, $"{Op} '{Name}'",
                $"A sequence has {Sizes.KeyLength} keys. Pass the number that are not padding."));
        }
    }

    /// <summary>This node reading columns of a packed tensor in place of an operand.</summary>
    public AttentionNode WithPacked(GraphTensor operand, GraphTensor packed, int column)
    {
        AttentionNode copy = (AttentionNode)With(t => t == operand ? packed : t);
        if (Inputs[0] == operand) copy.queryColumn = column;
        if (Inputs[1] == operand) copy.keyColumn = column;
        if (Inputs[2] == operand) copy.valueColumn = column;
        return copy;
    }

    /// <summary>Whether the tensor is an operand and nothing else of this node.</summary>
    public bool ReadsOnce(GraphTensor tensor) =>
        Inputs.Count(t => t == tensor) == 1 && Array.IndexOf(Inputs, tensor) < 3;

    private static BufferView Columns(Binder binder, GraphTensor tensor, int column)
    {
        BufferView view = binder.View(tensor);
        return column == 0 || view.Length == 0 ? view : view.Slice(column, view.Length - column);
    }

    private AttentionMaskLayout Layout(GraphTensor? tensor) =>
        tensor is null ? default : AttentionMaskLayout.FromShape(tensor.Shape, Sizes);

    private static GraphTensor[] Infer(
        string name, GraphTensor query, GraphTensor key, GraphTensor value,
        AttentionNodeOptions options, out AttentionSizes sizes)
    {
        foreach (GraphTensor operand in (GraphTensor[])[query, key, value])
        {
            NodeCheck.Type(Op, name, operand, DType.Float32);
            NodeCheck.Rank(Op, name, operand, 3, "[batch, sequence, heads · width]");
        }

        sizes = InferSizes(name, query, key, value, options);
        CheckMasks(name, options, sizes);
        TensorShape rows = new(sizes.Batch, sizes.QueryHeads, sizes.QueryLength);
        GraphTensor output = GraphTensor.Of(
            name, query.WithWidth((long)sizes.QueryHeads * sizes.ValueDimension));
        GraphTensor logSumExp = GraphTensor.Of(name + ".logSumExp", rows);
        if (options.ScoreOutput == ScoreOutput.None) return [output, logSumExp];
        TensorShape scores = new(
            sizes.Batch, sizes.QueryHeads, sizes.QueryLength, sizes.KeyLength);
        return [output, logSumExp, GraphTensor.Of(options.ScoresName ?? name + ".scores", scores)];
    }

    private static AttentionSizes InferSizes(
        string name, GraphTensor query, GraphTensor key, GraphTensor value,
        AttentionNodeOptions options)
    {
        int heads = options.Heads;
        int keyHeads = options.EffectiveKeyValueHeads;
        if (heads < 1 || keyHeads < 1 || heads % keyHeads != 0)
        {
            NodeCheck.Throw(Op, name, $"{heads} query heads and {keyHeads} key/value heads; " +
                "expected the first to be a multiple of the second.");
        }

        if (query.Width % heads != 0)
        {
            NodeCheck.Throw(Op, name, $"query width {query.Width} is not divisible by {heads} " +
                "heads. Choose a divisor.");
        }

        int dimension = query.Width / heads;
        TensorShape expected = new(query.Shape[0], key.Shape[1], (long)keyHeads * dimension);
        NodeCheck.Shape(Op, name, key, expected, "batch, keys, key heads · head width");
        if (value.Shape[0] != key.Shape[0] || value.Shape[1] != key.Shape[1] ||
            value.Shape[2] % keyHeads != 0)
        {
            NodeCheck.Throw(Op, name, $"value '{value.Name}' has shape {value.Shape}; expected " +
                $"[{key.Shape[0]}, {key.Shape[1]}, a multiple of {keyHeads}].");
        }

        return new((int)query.Shape[0], heads, keyHeads, (int)query.Shape[1],
            (int)key.Shape[1], dimension, value.Width / keyHeads);
    }

    private static void CheckMasks(
        string name, AttentionNodeOptions options, AttentionSizes sizes)
    {
        if (options.KeyLengths is { } lengths)
        {
            NodeCheck.Type(Op, name, lengths, DType.Int32);
            NodeCheck.Shape(Op, name, lengths, new(sizes.Batch), "one length a sequence");
        }

        if (options.Mask is { } mask)
        {
            NodeCheck.Type(Op, name, mask, DType.Bool);
            AttentionMaskLayout.FromShape(mask.Shape, sizes);
        }

        if (options.Bias is { } bias)
        {
            NodeCheck.Type(Op, name, bias, DType.Float32);
            AttentionMaskLayout.FromShape(bias.Shape, sizes);
        }

        NodeCheck.Vector(Op, name, "slopes", options.AlibiSlopes, sizes.QueryHeads);
        if (options.AlibiSlopes is { Trainable: true } slopes)
            NodeCheck.Throw(Op, name, $"slopes '{slopes.Name}' are trainable; expected constants.");
        if ((options.RelativeBias is null) != (options.RelativeBuckets is null))
        {
            NodeCheck.Throw(Op, name,
                "the relative bias and its buckets go together. Pass both or neither.");
        }

        if (options.RelativeBias is { } table &&
            table.Shape != new TensorShape(options.RelativeBuckets!.Value.Count, sizes.QueryHeads))
        {
            NodeCheck.Throw(Op, name, $"relative bias '{table.Name}' has shape {table.Shape}; " +
                $"expected [{options.RelativeBuckets.Value.Count}, {sizes.QueryHeads}], buckets " +
                "and query heads.");
        }
    }
}

internal sealed class AttentionBackwardNode(
    AttentionNode forward, GraphTensor outputGradient, GraphTensor[] results,
    GraphTensor[] operandGradients)
    : GraphNode(
        forward.Name,
        [.. forward.Inputs, forward.Outputs[0], forward.Outputs[1], outputGradient], results)
{
    public override string Kind => forward.Kind;

    public override OpDirection Direction => OpDirection.Backward;

    public override IEnumerable<ParameterBlock?> Parameters => forward.Parameters;

    public override bool HasSideEffect => forward.RelativeBias is { Trainable: true };

    public override void Bind(Binder binder)
    {
        (BufferView query, BufferView key, BufferView value) = forward.BindGradients(
            binder, operandGradients[0], operandGradients[1], operandGradients[2]);
        binder.Emit(new AttentionBackward
        {
            Inputs = forward.BindInputs(binder, Inputs),
            Output = binder.View(Inputs[6]),
            LogSumExp = binder.View(Inputs[7]),
            OutputGradient = binder.View(Inputs[8]),
            QueryGradient = query,
            KeyGradient = key,
            ValueGradient = value,
            RelativeBiasGradient = binder.Gradient(forward.RelativeBias),
        });
    }
}
