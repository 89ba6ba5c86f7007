using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification.Cases;

/// <summary>What an attention case uses, in the words of the README's table.</summary>
internal static class FusedAttentionFeatures
{
    public static IReadOnlyList<string> Of(FusedAttentionSpec spec, DType dtype) =>
        [.. All(spec, dtype).Where(f => f.Used).Select(f => f.Name)];

    private static IEnumerable<(string Name, bool Used)> All(
        FusedAttentionSpec spec, DType dtype)
    {
        AttentionSizes s = spec.Sizes;
        AttentionOptions options = spec.Options;
        foreach (CausalAlignment causal in Enum.GetValues<CausalAlignment>())
        {
            if (causal == CausalAlignment.None) continue;
            yield return ($"causal, {causal}", options.Causal == causal);
        }

        yield return ("sliding window", options.Window is not null);
        yield return ("boolean mask", spec.MaskShape.Length > 0);
        yield return ("additive bias", spec.BiasShape.Length > 0);
        yield return ("block-sparse mask", spec.Blocks is not null);
        yield return ("key lengths", spec.KeyLengths.Length > 0);
        yield return ("packed variable length",
            spec.PackedQueries.Length > 0 || spec.PackedKeys.Length > 0);
        yield return ("paged keys and values", spec.PageSize > 0);
        yield return ("ALiBi", spec.Alibi);
        yield return ("relative bias, bucketed", options.RelativeBuckets is not null);
        yield return ("soft cap", options.SoftCap > 0);
        yield return ("score modifier", spec.Score is not null);
        yield return ("sinks", spec.Sinks);
        yield return ("dropout", options.DropoutProbability > 0);
        yield return ("grouped heads", s.QueryHeads > s.KeyValueHeads);
        yield return ("value dimension other than D", s.ValueDimension != s.HeadDimension);
        yield return ("strided layouts", spec.Layout != AttentionLayout.Default);
        yield return ("split-key decoding", s.QueryLength <= 8 && s.KeyLength > 1024);
        yield return ("score output", spec.Scores != ScoreOutput.None);
        yield return ("fp32", dtype == DType.Float32);
        yield return ("fp16", dtype == DType.Float16);
        yield return ("bf16", dtype == DType.BFloat16);
    }
}
