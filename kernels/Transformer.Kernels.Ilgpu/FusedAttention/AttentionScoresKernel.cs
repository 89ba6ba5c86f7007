using ILGPU;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Ops;

namespace Transformer.Kernels.Ilgpu.FusedAttention;

/// <summary>A call for scores.</summary>
internal struct AttentionScoresArgument<T, TScore>
    where T : unmanaged where TScore : struct, IScoreModifier
{
    public AttentionArgument<T> Attention;
    public TScore Score;
    public AnyFloats Scores;
    public int Stage;
}

/// <summary>scores[b, h, i, j] = scale·q·k (raw), after the soft cap (capped), after modifier, bias
/// and masks, −∞ where hidden (masked), or e^(score − log_sum_exp) (probabilities).</summary>
/// <remarks>
/// <para>Shapes: scores [B, Hq, Sq, Skv], contiguous; pairs that no sequence has are 0, hidden in
/// masked. log_sum_exp as the forward kernels wrote it, for probabilities.</para>
/// <para>Work: a group for a query of a head, a thread for every so many-th key.</para>
/// <para>Shared memory: none. Bytes: the keys once for each query, from cache; for drawing
/// attention maps, not for speed.</para>
/// <para>Numerics: float.</para>
/// </remarks>
internal static class AttentionScoresKernel
{
    public const int Capped = 2, Masked = 3, Probabilities = 4;

    public static void GroupPerQuery<T, TStorage, TScore>(AttentionScoresArgument<T, TScore> a)
        where T : unmanaged where TStorage : struct, IStorage<T>
        where TScore : struct, IScoreModifier
    {
        AttentionArgument<T> p = a.Attention;
        long line = Grid.IdxX;
        int query = Grid.IdxX % p.Places.QueryLength, place = Grid.IdxX / p.Places.QueryLength;
        int head = place % p.QueryHeads;
        Sequence s = p.Places.SequenceOf(place / p.QueryHeads);
        bool exists = query < s.Queries;
        int first = exists ? p.Places.FirstKey(s, query) : 0;
        int end = exists ? p.Places.EndKey(s, query) : 0;
        for (int key = Group.IdxX; key < p.Places.KeyLength; key += Group.DimX)
        {
            bool pair = exists && key < s.Stored;
            float score = pair ? Product<T, TStorage>(p, s, head, query, key) : 0;
            if (a.Stage >= Capped) score = p.Terms.Capped(score);
            if (a.Stage >= Masked)
            {
                bool visible = key >= first && key < end &&
                    p.Terms.Shows(a.Score, s, head, query, key);
                score = visible ? p.Terms.Shaped(a.Score, s, head, query, key, score)
                    : float.NegativeInfinity;
            }

            if (a.Stage == Probabilities)
            {
                score = score == float.NegativeInfinity ? 0 : FloatMath.Exp(
                    score - p.LogSumExp[p.Places.RowIndex(s, head, query)]);
            }

            a.Scores.Store((line * p.Places.KeyLength) + key, score);
        }
    }

    private static float Product<T, TStorage>(
        AttentionArgument<T> p, Sequence s, int head, int query, int key)
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        long q = AttentionPlaces.QueryPlace(s, p.QueryStrides, query) +
            (head * p.QueryStrides.Head);
        long k = p.Places.KeyPlace(s, p.KeyStrides, key) +
            (head / (p.QueryHeads / p.KeyHeads) * p.KeyStrides.Head);
        int width = p.HeadDimension;
        float sum = 0;
        for (int d = 0; d < width; d += 4)
        {
            sum += (Rows.Load<T, TStorage>(p.Query, q, d, width, p.QueryAligned) *
                Rows.Load<T, TStorage>(p.Key, k, d, width, p.KeyAligned)).Sum();
        }

        return sum * p.Terms.Scale;
    }
}
