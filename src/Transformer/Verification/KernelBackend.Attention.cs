using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification;

public sealed partial class KernelBackend
{
    /// <summary>Adds attention over spans.</summary>
    /// <remarks>Unsupported, with the reason: other element types, strides, masks, bias, key
    /// lengths and every further input, the scores as an output.</remarks>
    /// <param name="run">Runs a call.</param>
    /// <param name="lacks">Why a call that the spans can express cannot run, null where it can:
    /// options that <paramref name="run"/> does not know.</param>
    /// <returns>This backend.</returns>
    public KernelBackend AddAttentionForward(
        AttentionForwardSpans run, CallLimit<AttentionForward>? lacks = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Add<AttentionForward>(
            (in call) =>
            {
                AttentionInputs i = call.Inputs;
                AttentionCounts n = new(i.Sizes);
                run(Floats(i.Query, n.Query), Floats(i.Key, n.Key), Floats(i.Value, n.Value),
                    i.Sizes, i.Options, Floats(call.Output, n.Output),
                    call.LogSumExp.AsSpan<float>());
            },
            (in call) =>
            {
                AttentionForward plain = new()
                {
                    Inputs = call.Inputs, Output = call.Output, LogSumExp = call.LogSumExp,
                };
                return NotFloat32(call.Inputs.Query, call.Inputs.Key, call.Inputs.Value,
                        call.Output, call.LogSumExp)
                    ?? (call.ScoreOutput != ScoreOutput.None
                        ? "the kernel's spans hold no scores" : null)
                    ?? (call != plain ? Beyond("outputs") : null)
                    ?? NotPlain(call.Inputs) ?? lacks?.Invoke(in call);
            });
    }

    /// <summary>Adds the gradients of attention over spans.</summary>
    /// <remarks>Unsupported as in <see cref="AddAttentionForward"/>.</remarks>
    /// <param name="run">Runs a call.</param>
    /// <param name="lacks">Why a call that the spans can express cannot run, null where it can.
    /// </param>
    /// <returns>This backend.</returns>
    public KernelBackend AddAttentionBackward(
        AttentionBackwardSpans run, CallLimit<AttentionBackward>? lacks = null)
    {
        ArgumentNullException.ThrowIfNull(run);
        return Add<AttentionBackward>(
            (in call) =>
            {
                AttentionInputs i = call.Inputs;
                AttentionCounts n = new(i.Sizes);
                run(Floats(i.Query, n.Query), Floats(i.Key, n.Key), Floats(i.Value, n.Value),
                    Floats(call.Output, n.Output), call.LogSumExp.AsSpan<float>(),
                    Floats(call.OutputGradient, n.Output), i.Sizes, i.Options,
                    Floats(call.QueryGradient, n.Query), Floats(call.KeyGradient, n.Key),
                    Floats(call.ValueGradient, n.Value));
            },
            (in call) =>
            {
                AttentionBackward plain = new()
                {
                    Inputs = call.Inputs,
                    Output = call.Output,
                    LogSumExp = call.LogSumExp,
                    OutputGradient = call.OutputGradient,
                    QueryGradient = call.QueryGradient,
                    KeyGradient = call.KeyGradient,
                    ValueGradient = call.ValueGradient,
                };
                return NotFloat32(call.Inputs.Query, call.Inputs.Key, call.Inputs.Value,
                        call.Output, call.LogSumExp, call.OutputGradient, call.QueryGradient,
                        call.KeyGradient, call.ValueGradient)
                    ?? NotPlain(call.Inputs)
                    ?? (call != plain ? Beyond("outputs") : null) ?? lacks?.Invoke(in call);
            });
    }

    // Whatever inputs and options are added to the op: those not named here are refused.
    private static string? NotPlain(in AttentionInputs inputs)
    {
        string? further = inputs switch
        {
            { Mask.IsPresent: true } => "mask",
            { Bias.IsPresent: true } => "bias",
            { KeyLengths.IsPresent: true } => "key lengths",
            { QueryOffsets.IsPresent: true } or { KeyOffsets.IsPresent: true } => "offsets",
            { BlockTable.IsPresent: true } => "pages",
            { BlockMask.IsPresent: true } => "block mask",
            { AlibiSlopes.IsPresent: true } => "ALiBi slopes",
            { RelativeBias.IsPresent: true } => "relative bias",
            { Sinks.IsPresent: true } => "sinks",
            { Score: not null } => "score modifier",
            { Options.DropoutProbability: > 0 } => "dropout",
            _ => null,
        };
        if (further is not null) return $"the kernel's spans hold no {further}";
        if (!IsContiguous(inputs)) return "the kernel's spans are contiguous [B, H, S, D]";
        AttentionOptions options = inputs.Options;
        AttentionInputs plain = new()
        {
            Query = inputs.Query,
            Key = inputs.Key,
            Value = inputs.Value,
            QueryStrides = inputs.QueryStrides,
            KeyStrides = inputs.KeyStrides,
            ValueStrides = inputs.ValueStrides,
            OutputStrides = inputs.OutputStrides,
            MaskLayout = inputs.MaskLayout,
            BiasLayout = inputs.BiasLayout,
            Sizes = inputs.Sizes,
            Options = new()
            {
                Scale = options.Scale,
                SoftCap = options.SoftCap,
                Causal = options.Causal,
                PastLength = options.PastLength,
                Window = options.Window,
            },
        };
        return inputs != plain ? Beyond("inputs or options") : null;
    }

    private static string Beyond(string what) =>
        $"the call has {what} that the kernel's spans do not hold";

    private static bool IsContiguous(in AttentionInputs inputs)
    {
        AttentionSizes s = inputs.Sizes;
        (int q, int k, int d, int v) =
            (s.QueryLength, s.KeyLength, s.HeadDimension, s.ValueDimension);
        return inputs.EffectiveQueryStrides == AttentionStrides.HeadMajor(s.QueryHeads, q, d)
            && inputs.EffectiveKeyStrides == AttentionStrides.HeadMajor(s.KeyValueHeads, k, d)
            && inputs.EffectiveValueStrides == AttentionStrides.HeadMajor(s.KeyValueHeads, k, v)
            && inputs.EffectiveOutputStrides == AttentionStrides.HeadMajor(s.QueryHeads, q, v);
    }

    // A strided tensor's buffer may be longer than its elements.
    private static Span<float> Floats(BufferView view, long count) =>
        view.AsSpan<float>()[..checked((int)Math.Min(count, view.Length))];

    private readonly ref struct AttentionCounts(AttentionSizes s)
    {
        private readonly long queries = (long)s.Batch * s.QueryHeads * s.QueryLength;
        private readonly long keys = (long)s.Batch * s.KeyValueHeads * s.KeyLength;

        public long Query => queries * s.HeadDimension;

        public long Key => keys * s.HeadDimension;

        public long Value => keys * s.ValueDimension;

        public long Output => queries * s.ValueDimension;
    }
}
