using Transformer.Tensors;
using Transformer.Verification.Cases;

namespace Transformer.Verification;

/// <summary>The calls that are timed: each op's at one model size.</summary>
public static class BenchCases
{
    private static readonly Lock Gate = new();
    private static readonly List<Func<BenchSize, IEnumerable<BenchCase>>> Sources =
    [
        EmbeddingCases.Bench,
        LayerNormCases.Bench,
        RmsNormCases.Bench,
        LinearCases.Bench,
        ActivationCases.Bench,
        GeluFeedForwardCases.Bench,
        LstmCases.Bench,
        FusedAttentionCases.Bench,
        AttentionMergeCases.Bench,
        RotaryEmbeddingCases.Bench,
        KvCacheAppendCases.Bench,
        AddCases.Bench,
        DropoutCases.Bench,
        SoftmaxCases.Bench,
        LogSoftmaxCases.Bench,
        SoftmaxCrossEntropyCases.Bench,
        NegativeLogLikelihoodCases.Bench,
        TopKCases.Bench,
        SamplingCases.Bench,
        GradientNormCases.Bench,
        AdamWCases.Bench,
    ];

    /// <summary>Adds the calls of an op that another assembly defines. The same number in the same
    /// order at every size.</summary>
    public static void Register(Func<BenchSize, IEnumerable<BenchCase>> source)
    {
        lock (Gate) Sources.Add(source);
    }

    /// <summary>The calls of the named ops, all where no name is given.</summary>
    /// <param name="size">A model's sizes.</param>
    /// <param name="ops">Names of ops, or none.</param>
    /// <param name="own">Calls beside those of the library's ops; null: none.</param>
    /// <exception cref="ArgumentException">An unknown op; the message lists them.</exception>
    public static IReadOnlyList<BenchCase> Select(
        BenchSize size, IReadOnlyCollection<string>? ops = null,
        Func<BenchSize, IEnumerable<BenchCase>>? own = null)
    {
        BenchCase[] all;
        lock (Gate) all = [.. Sources.SelectMany(source => Complete(source(size)))];
        if (own is not null) all = [.. all, .. Complete(own(size))];
        foreach (string op in ops ?? [])
        {
            if (!all.Any(c => Named(c, op)))
            {
                throw new ArgumentException($"bench: op '{op}' is unknown. Use one of: " +
                    $"{string.Join(", ", all.Select(c => c.Op).Distinct())}.");
            }
        }

        return [.. all.Where(c => ops is null || ops.Count == 0 || ops.Any(op => Named(c, op)))];
    }

    /// <summary>The calls, and behind them those that are timed on 16-bit tensors, too.</summary>
    private static IEnumerable<BenchCase> Complete(IEnumerable<BenchCase> cases)
    {
        BenchCase[] all = [.. cases];
        return [.. all, .. all.Where(c => c.SixteenBit).SelectMany(
            c => new[] { c.As(DType.Float16), c.As(DType.BFloat16) })];
    }

    private static bool Named(BenchCase single, string op) =>
        string.Equals(single.Op, op, StringComparison.OrdinalIgnoreCase);
}
