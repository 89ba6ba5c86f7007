namespace Transformer.Ops;

/// <summary>
/// How distances j − (i + offset) fall into the rows of a relative bias table: near ones each have
/// a bucket, far ones share buckets that widen logarithmically.
/// </summary>
/// <remarks>Raffel et al. 2020, "Exploring the limits of transfer learning" (T5), section 2.1.
/// </remarks>
/// <param name="Count">Buckets; even where bidirectional.</param>
/// <param name="MaximumDistance">Distances from here on share the last bucket.</param>
/// <param name="Bidirectional">True: half of the buckets are for keys after the query. False:
/// those keys share bucket 0 with the query's own position.</param>
public readonly record struct RelativePositionBuckets(
    int Count, int MaximumDistance, bool Bidirectional)
{
    /// <summary>Largest <see cref="MaximumDistance"/>.</summary>
    public const int LargestDistance = 1 << 16;

    /// <summary>The bucket of a key <paramref name="distance"/> positions after the query.
    /// </summary>
    /// <param name="distance">j − (i + offset).</param>
    public int Bucket(long distance)
    {
        int buckets = Bidirectional ? Count / 2 : Count;
        int first = Bidirectional && distance > 0 ? buckets : 0;
        long magnitude = Bidirectional ? Math.Abs(distance) : Math.Max(0, -distance);
        int near = buckets / 2;
        if (magnitude < near) return first + (int)magnitude;
        double octave = Math.Log((double)magnitude / near) /
            Math.Log((double)MaximumDistance / near);
        return first + Math.Min(buckets - 1, near + (int)(octave * (buckets - near)));
    }

    internal void Check(string op)
    {
        int buckets = Bidirectional ? Count / 2 : Count;
        if (Count < 2 || buckets < 2 || (Bidirectional && Count % 2 != 0))
        {
            OpCheck.Throw(op, $"'RelativeBuckets.Count' is {Count}; expected at least 2, and an " +
                "even number from 4 on where Bidirectional. T5 uses 32.");
        }

        if (MaximumDistance <= buckets / 2 || MaximumDistance > LargestDistance)
        {
            OpCheck.Throw(op, $"'RelativeBuckets.MaximumDistance' is {MaximumDistance}; expected " +
                $"more than the {buckets / 2} distances with a bucket each, up to " +
                $"{LargestDistance}. T5 uses 128.");
        }
    }
}
