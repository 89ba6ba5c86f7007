using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>Which elements of an attention case's outputs are 0 by definition, and which nobody
/// may write.</summary>
internal sealed class FusedAttentionRules
{
    private readonly FusedAttentionSpec spec;
    private readonly FusedAttentionPlaces places;
    private readonly FusedAttentionVisibility visibility;
    private readonly Lazy<bool[]> blind;
    private readonly Lazy<bool[]> hidden;

    public FusedAttentionRules(
        FusedAttentionSpec spec, FusedAttentionPlaces places, FusedAttentionVisibility visibility)
    {
        this.spec = spec;
        this.places = places;
        this.visibility = visibility;
        // Only asked for when outputs are compared.
        blind = new(visibility.BlindQueries);
        hidden = new(visibility.HiddenKeys);
    }

    /// <summary>Of a tensor that lies as the queries: rows that see no key are 0.</summary>
    public OutputRule OfQueries(AttentionStrides strides, int dimension) =>
        Rule(new(() => places.QueryRows(strides, dimension)), blind);

    /// <summary>Of a tensor that lies as the keys: rows that no query sees are 0.</summary>
    public OutputRule OfKeys(AttentionStrides strides, int dimension) =>
        Rule(new(() => places.KeyRows(strides, dimension)), hidden);

    /// <summary>Of the log-sum-exps: [B, Hq, Sq], packed [Hq, total].</summary>
    public OutputRule OfSums()
    {
        OutputRule rule =
            new() { Statistic = true, Floor = FusedAttentionFloors.Scores(spec) };
        int[] offsets = places.QueryOffsets;
        return offsets.Length == 0 ? rule : rule with
        {
            IsGap = index => index % places.TotalQueries >= offsets[^1],
        };
    }

    /// <summary>Of scores [B, Hq, Sq, Skv]: weights of hidden keys are 0, scores before the masks
    /// are 0 for pairs that no sequence has.</summary>
    public OutputRule OfScores()
    {
        AttentionSizes s = spec.Sizes;
        double floor = FusedAttentionFloors.Scores(spec);
        if (spec.Scores == ScoreOutput.Masked) return new() { Floor = floor };
        bool weights = spec.Scores == ScoreOutput.Probabilities;
        return new()
        {
            // Weights are of order 1/Skv.
            Floor = weights ? 0.01 / Math.Max(1, s.KeyLength) : floor,
            ExactZero = index =>
            {
                (long row, long j) = Math.DivRem(index, s.KeyLength);
                (long outer, long i) = Math.DivRem(row, s.QueryLength);
                (long b, long h) = Math.DivRem(outer, s.QueryHeads);
                return weights
                    ? !visibility.IsVisible((int)b, (int)h, (int)i, (int)j)
                    : i >= spec.Queries((int)b) || j >= spec.StoredKeys((int)b);
            },
        };
    }

    private OutputRule Rule(Lazy<int[]> rows, Lazy<bool[]> zero) => new()
    {
        IsGap = index => rows.Value[index] < 0,
        ExactZero = spec.PlantsHidden ? index => zero.Value[rows.Value[index]] : null,
    };
}
