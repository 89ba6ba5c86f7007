using Transformer.Ops;

namespace Transformer.Models.Graph;

/// <summary>Options of <see cref="GraphBuilder.Attention"/>.</summary>
public sealed record AttentionNodeOptions
{
    /// <summary>Hq: heads of the query, 1 or more; layers fill in their own.</summary>
    public int Heads { get; init; }

    /// <summary>Hkv: heads of key and value; 0 means <see cref="Heads"/>.</summary>
    public int KeyValueHeads { get; init; }

    /// <summary>Where the causal diagonal lies, if anywhere.</summary>
    public CausalAlignment Causal { get; init; }

    /// <summary>Keys that precede the first query, for <see cref="CausalAlignment.Past"/>.
    /// </summary>
    public int PastLength { get; init; }

    /// <summary>Multiplies q·k; 0 means 1/√D.</summary>
    public double Scale { get; init; }

    /// <summary>c of s ← c·tanh(s/c); 0 means none.</summary>
    public double SoftCap { get; init; }

    /// <summary>Sliding window; null means unbounded.</summary>
    public AttentionWindow? Window { get; init; }

    /// <summary>[B] Int32, each in [0, Skv]: keys from there on are padding.</summary>
    public GraphTensor? KeyLengths { get; init; }

    /// <summary>Bool, true = may attend; broadcasts right-aligned to [B, Hq, Sq, Skv].</summary>
    public GraphTensor? Mask { get; init; }

    /// <summary>Added to the scores; broadcasts as the mask does; has no gradient.</summary>
    public GraphTensor? Bias { get; init; }

    /// <summary>[Hq] slopes m of ALiBi: −m·|distance| is added to a score; constant.</summary>
    public Parameter? AlibiSlopes { get; init; }

    /// <summary>[buckets, Hq]: added to the score of a key whose distance falls in that bucket of
    /// <see cref="RelativeBuckets"/>.</summary>
    public Parameter? RelativeBias { get; init; }

    /// <summary>Present exactly where <see cref="RelativeBias"/> is.</summary>
    public RelativePositionBuckets? RelativeBuckets { get; init; }

    /// <summary>Which scores are written to the output <see cref="ScoresName"/>.</summary>
    public ScoreOutput ScoreOutput { get; init; }

    /// <summary>Name of the graph output that holds the scores [B, Hq, Sq, Skv]; null: the node's
    /// name and ".scores".</summary>
    public string? ScoresName { get; init; }

    /// <summary>Name of the node; null: numbered.</summary>
    public string? Name { get; init; }

    internal int EffectiveKeyValueHeads => KeyValueHeads == 0 ? Heads : KeyValueHeads;
}
