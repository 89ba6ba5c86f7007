using Transformer.Backends;
using Transformer.Tensors;
using Transformer.Verification.Cases;

namespace Transformer.Verification;

/// <summary>The case table: every op's cases, one source a op.</summary>
public static class ParityCases
{
    private const int SixteenBitCases = 3;

    private static readonly Lock Gate = new();
    private static readonly List<Func<IEnumerable<ParityCase>>> Sources =
    [
        EmbeddingCases.All,
        LayerNormCases.All,
        RmsNormCases.All,
        LinearCases.All,
        ActivationCases.All,
        GeluFeedForwardCases.All,
        LstmCases.All,
        FusedAttentionCases.All,
        AttentionMergeCases.All,
        RotaryEmbeddingCases.All,
        KvCacheAppendCases.All,
        AddCases.All,
        DropoutCases.All,
        SoftmaxCases.All,
        LogSoftmaxCases.All,
        SoftmaxCrossEntropyCases.All,
        NegativeLogLikelihoodCases.All,
        TopKCases.All,
        SamplingCases.All,
        GradientNormCases.All,
        AdamWCases.All,
    ];

    /// <summary>Every case; each op's in their order.</summary>
    public static IReadOnlyList<ParityCase> All
    {
        get
        {
            lock (Gate) return [.. Sources.SelectMany(source => Complete(source()))];
        }
    }

    /// <summary>Adds the cases of an op that another assembly defines.</summary>
    public static void Register(Func<IEnumerable<ParityCase>> source)
    {
        lock (Gate) Sources.Add(source);
    }

    /// <summary>The cases of the named ops, all where no name is given.</summary>
    /// <param name="ops">Names of ops, or none.</param>
    /// <param name="quick">Only the quick subset.</param>
    /// <param name="own">Cases beside those of <see cref="All"/>; null: none.</param>
    /// <exception cref="ArgumentException">An unknown op; the message lists them.</exception>
    public static IReadOnlyList<ParityCase> Select(
        IReadOnlyCollection<string>? ops, bool quick, IEnumerable<ParityCase>? own = null)
    {
        ParityCase[] all = [.. All, .. Complete(own ?? [])];
        bool Named(ParityCase c, string op) =>
            string.Equals(c.Op, op, StringComparison.OrdinalIgnoreCase);
        foreach (string op in ops ?? [])
        {
            if (!all.Any(c => Named(c, op)))
            {
                throw new ArgumentException($"verify: op '{op}' is unknown. Use one of: " +
                    $"{string.Join(", ", all.Select(c => c.Op).Distinct())}.");
            }
        }

        return [.. all.Where(c => (!quick || c.Quick) &&
            (ops is null || ops.Count == 0 || ops.Any(op => Named(c, op))))];
    }

    /// <summary>Every second case gets unaligned buffers; the first few, and those that ask for it,
    /// also run on 16-bit tensors.</summary>
    private static IEnumerable<ParityCase> Complete(IEnumerable<ParityCase> cases)
    {
        int index = 0;
        Dictionary<OpDirection, int> sixteenBit = [];
        foreach (ParityCase single in cases)
        {
            single.Unaligned = index++ % 2 == 1;
            yield return single;
            ref int count = ref System.Runtime.InteropServices.CollectionsMarshal
                .GetValueRefOrAddDefault(sixteenBit, single.Direction, out _);
            bool first = single.Quick && !single.Float32Only && count++ < SixteenBitCases;
            if (!first && !single.SixteenBit) continue;
            yield return single.As(DType.Float16);
            yield return single.As(DType.BFloat16);
        }
    }
}
