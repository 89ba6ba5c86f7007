using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Checks of the sizes of caches and pools.</summary>
internal static class KvCacheChecks
{
    private const string Cache = nameof(KvCache), Pool = nameof(KvPagePool);

    public static void Shape(in KvCacheShape shape)
    {
        OpCheck.Positive(Cache, nameof(shape.Batch), shape.Batch);
        OpCheck.Positive(Cache, nameof(shape.Capacity), shape.Capacity);
        Heads(Cache, shape.KeyValueHeads, shape.HeadDimension, shape.ValueDimension, shape.DType);
    }

    public static void PageShape(in KvPageShape shape)
    {
        OpCheck.Positive(Pool, nameof(shape.PageCount), shape.PageCount);
        PageCheck.Size(Pool, shape.PageSize);
        Heads(Pool, shape.KeyValueHeads, shape.HeadDimension, shape.ValueDimension, shape.DType);
    }

    private static void Heads(string owner, int heads, int dimension, int values, DType dtype)
    {
        OpCheck.Positive(owner, "KeyValueHeads", heads);
        OpCheck.Positive(owner, "HeadDimension", dimension);
        OpCheck.Positive(owner, "ValueDimension", values);
        long width = Math.Max(dimension, values) * (long)heads;
        if (width > int.MaxValue)
        {
            OpCheck.Throw(owner, $"a row has {width} elements; expected at most {int.MaxValue}. " +
                "Use fewer or smaller heads.");
        }

        if (dtype.WidensToSingle()) return;
        OpCheck.Throw(owner, $"'DType' is {dtype}; expected Float32, Float16 or BFloat16. Choose " +
            "the type that keys and values are stored as.");
    }
}
