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
            if ((uint)ids[i] < (ulong)limit) continue;
            Throw(op, argument, i, ids[i], limit - 1, "", "Pass ids of this table");
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
            string ignored = ignoreIndex is { } value ? $" or the ignored {value}" : "";
            Throw(op, argument, i, labels[i], classes - 1, ignored,
                "Pass labels of these classes or set 'IgnoreIndex'");
        }
    }

    /// <summary>Requires each length to lie in [0, <paramref name="longest"/>].</summary>
    public static void Lengths(string op, string argument, int* lengths, long count, int longest)
    {
        for (long i = 0; i < count; i++)
        {
            if ((uint)lengths[i] <= (uint)longest) continue;
            Throw(op, argument, i, lengths[i], longest, "", "Pass each sequence's number of keys");
        }
    }

    /// <summary>Requires room for <paramref name="added"/> rows from each position on in a cache of
    /// <paramref name="capacity"/> rows.</summary>
    public static void CacheRoom(
        string op, string argument, int* positions, long count, int added, long capacity)
    {
        for (long i = 0; i < count; i++)
        {
            if (positions[i] >= 0 && (long)positions[i] + added <= capacity) continue;
            OpCheck.Throw(op, $"'{argument}[{i}]' is {positions[i]}; expected 0 to " +
                $"{capacity - added}, so that {added} new rows fit the cache of " +
                $"{capacity}. Use a larger cache or a shorter sequence.");
        }
    }

    [DoesNotReturn]
    private static void Throw(
        string op, string argument, long index, int value, long last, string more, string remedy)
    {
        OpCheck.Throw(op, $"'{argument}[{index}]' is {value}; expected 0 to {last}{more}. " +
            $"{remedy}.");
    }
}
