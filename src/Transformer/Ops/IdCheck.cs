using System.Diagnostics.CodeAnalysis;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>
/// Checks of the integers inside buffers: ids, labels, lengths, positions. Kernels on host memory
/// call them before they write anything; each error names op, argument, index, value and range.
/// </summary>
internal static unsafe class IdCheck
{
    /// <summary>Requires each id to lie in [0, <paramref name="limit"/>).</summary>
    public static void InRange(string op, string argument, int* ids, long count, long limit)
    {
        for (long i = 0; i < count; i++)
        {
            if ((uint)ids[i] >= (ulong)limit) Throw(op, argument, i, ids[i], 0, limit - 1);
        }
    }

    /// <summary>As the pointer form; an absent buffer passes.</summary>
    public static void InRange(string op, string argument, BufferView ids, long limit) =>
        InRange(op, argument, ids.Pointer<int>(), ids.Length, limit);

    /// <summary>Requires each label to lie in [0, <paramref name="classes"/>) or to be the ignored
    /// one.</summary>
    public static void Labels(
        string op, string argument, int* labels, long count, int classes, int? ignoreIndex)
    {
        for (long i = 0; i < count; i++)
        {
            if ((uint)labels[i] < (uint)classes || labels[i] == ignoreIndex) continue;
            Throw(op, argument, i, labels[i], 0, classes - 1, ignoreIndex is { } ignored
                ? $" or the ignored {ignored}" : " (no label is ignored)");
        }
    }

    /// <summary>Requires each length to lie in [0, <paramref name="longest"/>].</summary>
    public static void Lengths(string op, string argument, int* lengths, long count, int longest)
    {
        for (long i = 0; i < count; i++)
        {
            if ((uint)lengths[i] > (uint)longest) Throw(op, argument, i, lengths[i], 0, longest);
        }
    }

    /// <summary>Requires room for <paramref name="added"/> rows from each position on in a cache of
    /// <paramref name="capacity"/> rows.</summary>
    public static void CacheRoom(
        string op, string argument, int* positions, long count, int added, int capacity)
    {
        for (long i = 0; i < count; i++)
        {
            if (positions[i] >= 0 && (long)positions[i] + added <= capacity) continue;
            OpCheck.Throw(op, $"'{argument}[{i}]' is {positions[i]}; expected 0 to " +
                $"{(long)capacity - added}, so that {added} new rows fit the cache of " +
                $"{capacity}. Use a larger cache or a shorter sequence.");
        }
    }

    [DoesNotReturn]
    private static void Throw(
        string op, string argument, long index, int value, long low, long high, string more = "")
    {
        string expected = high < low ? "no value, the range is empty" : $"{low} to {high}{more}";
        OpCheck.Throw(op, $"'{argument}[{index}]' is {value}; expected {expected}. " +
            "Check where it was made.");
    }
}
