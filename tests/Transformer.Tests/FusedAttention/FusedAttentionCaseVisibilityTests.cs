using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;
using Transformer.Verification.Cases;

namespace Transformer.Tests.FusedAttention;

/// <summary>The reference hides exactly the keys that a case's own definition of visibility hides:
/// no more (planted NaN would not show that), no fewer.</summary>
public class FusedAttentionCaseVisibilityTests
{
    [Fact]
    public void Reference_HidesWhatEveryCaseSaysIsHidden()
    {
        int pairs = 0, hidden = 0;
        foreach (FusedAttentionSpec spec in FusedAttentionCases.Specs())
        {
            // A bias of −∞ hides, too, but is not a rule of visibility. Head sizes change nothing.
            if (spec.BiasHasInfinity || spec.Layout == AttentionLayout.PackedQkv) continue;
            AttentionSizes s = spec.Sizes with { HeadDimension = 1, ValueDimension = 1 };
            CaseData data = new(CaseData.Hash(spec.Name), DType.Float64, false,
                [BackendRegistry.Reference], DType.Float64);
            using CaseMemory memory =
                new(data, BackendRegistry.Reference.Memory, DType.Float64);
            FusedAttentionSpec masked = spec with { Sizes = s, Scores = ScoreOutput.Masked };
            AttentionForward call = FusedAttentionOperands.Forward(memory, masked);
            BackendRegistry.Reference.Run(call);
            FusedAttentionVisibility visibility = new(masked, memory);
            Span<double> scores = call.Scores.AsSpan<double>();
            for (int index = 0; index < scores.Length; index++)
            {
                (int row, int j) = Math.DivRem(index, s.KeyLength);
                (int outer, int i) = Math.DivRem(row, s.QueryLength);
                (int b, int h) = Math.DivRem(outer, s.QueryHeads);
                bool isHidden = double.IsNegativeInfinity(scores[index]);
                if (isHidden == visibility.IsVisible(b, h, i, j))
                {
                    Assert.Fail($"{spec.Name}: ({b}, {h}, {i}, {j}) is " +
                        $"{(isHidden ? "hidden" : "visible")}");
                }

                pairs++;
                hidden += isHidden ? 1 : 0;
            }
        }

        // Both answers are asked for often.
        Assert.InRange((double)hidden / pairs, 0.2, 0.8);
    }
}
