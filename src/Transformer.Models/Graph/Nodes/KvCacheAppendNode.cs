using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>Writes new rows into a cache; its output is the cache afterwards.</summary>
internal sealed class KvCacheAppendNode : GraphNode
{
    private const string Op = "KvCacheAppend";

    private int column;

    public KvCacheAppendNode(
        string name, GraphTensor source, GraphTensor positions, GraphTensor cache)
        : base(name, [source, positions, cache],
            [new GraphTensor(name, cache.Shape, cache.DType, TensorSource.State)])
    {
        NodeCheck.Rank(Op, name, source, 3, "[batch, new, width]");
        NodeCheck.Rank(Op, name, cache, 3, "[batch, capacity, width]");
        NodeCheck.Type(Op, name, source, cache.DType);
        NodeCheck.Type(Op, name, positions, DType.Int32);
        NodeCheck.Shape(Op, name, positions, new(source.Shape[0]), "one position a sequence");
        if (cache.Source != TensorSource.State)
        {
            NodeCheck.Throw(Op, name, $"'{cache.Name}' is no state. Declare the cache with State.");
        }

        if (source.Shape[0] != cache.Shape[0] || source.Width != cache.Width ||
            source.Shape[1] > cache.Shape[1])
        {
            NodeCheck.Throw(Op, name, $"source {source.Shape} does not fit cache {cache.Shape}; " +
                "expected the same batch and width and no more rows than the capacity.");
        }

        RowWidth = source.Width;
    }

    public override string Kind => Op;

    public override bool HasSideEffect => true;

    private int RowWidth { get; }

    public override int AliasOf(int output) => 2;

    public override void Bind(Binder binder)
    {
        BufferView source = binder.View(Inputs[0]);
        binder.Emit(new KvCacheAppendForward
        {
            Source = source.Slice(column, source.Length - column),
            Positions = binder.View(Inputs[1]),
            Cache = binder.View(Inputs[2]),
            Batch = (int)Outputs[0].Shape[0],
            NewLength = (int)Required(0).Shape[1],
            Capacity = (int)Outputs[0].Shape[1],
            Width = RowWidth,
            SourceRowStride = Required(0).Width,
        });
    }

    public override void AddRangeChecks(List<RangeCheck> checks)
    {
        if (Inputs[1] is { Source: TensorSource.Input } positions)
        {
            long free = Outputs[0].Shape[1] - Required(0).Shape[1] + 1;
            checks.Add(new(positions, 0, (int)free, null, $"{Op} '{Name}'",
                $"The cache has {Outputs[0].Shape[1]} rows. Shorten the sequence or compile with " +
                "a larger capacity."));
        }
    }

    /// <summary>This node reading columns of a packed tensor as its source.</summary>
    public KvCacheAppendNode WithPacked(GraphTensor source, GraphTensor packed, int first)
    {
        KvCacheAppendNode copy = (KvCacheAppendNode)With(t => t == source ? packed : t);
        copy.column = first;
        return copy;
    }
}
