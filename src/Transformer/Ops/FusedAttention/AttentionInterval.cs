using System.Runtime.CompilerServices;

namespace Transformer.Ops;

/// <summary>
/// The keys that causal order, window, lengths and short mask rows leave to the queries of one
/// sequence: an interval whose bounds move with the query, each within limits.
/// </summary>
/// <param name="Low">First key of query 0, were there no key 0; it grows by one a query.</param>
/// <param name="High">Key after the last of query 0, were there always more; likewise.</param>
/// <param name="Keys">Keys that anybody may see.</param>
internal readonly record struct AttentionInterval(long Low, long High, int Keys)
{
    /// <summary>A bound that no position reaches, far from overflow.</summary>
    public const long Unbounded = 1L << 62;

    /// <summary>The keys [first, end) of a query.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Of(int query, out int first, out int end)
    {
        end = (int)Math.Max(0, Math.Min(Keys, query + High));
        first = (int)Math.Min(Math.Max(0, query + Low), end);
    }
}
