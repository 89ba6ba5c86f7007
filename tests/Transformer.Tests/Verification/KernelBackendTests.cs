using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Verification;
using Attention = Transformer.Ops.FusedAttention;
using FeedForward = Transformer.Ops.GeluFeedForward;
using Affine = Transformer.Ops.Linear;
using Norm = Transformer.Ops.LayerNorm;

namespace Transformer.Tests.Verification;

/// <summary>Backends made of delegates: what they take runs, what they do not is refused.</summary>
public sealed class KernelBackendTests
{
    private static readonly BufferView Floats = new(64, 1, DType.Float32);

    // The library's own span entries as if they were somebody's kernels.
    private static KernelBackend Spans() => new KernelBackend("spans")
        .AddAttentionForward((q, k, v, in s, in o, output, l) =>
            Attention.Forward(q, k, v, s, o, output, l))
        .AddAttentionBackward((q, k, v, y, l, dy, in s, in o, dq, dk, dv) =>
            Attention.Backward(q, k, v, y, l, dy, s, o, dq, dk, dv))
        .AddLayerNormForward((x, w, b, in s, in o, y, m, d) =>
            Norm.Forward(x, w, b, s, o, y, m, d))
        .AddLayerNormBackward((x, w, m, d, dy, in s, dx, dw, db) =>
            Norm.Backward(x, w, m, d, dy, s, dx, dw, db))
        .AddLinearForward((x, w, b, in s, in o, y, z) => Affine.Forward(x, w, b, s, o, y, z))
        .AddLinearBackward((x, w, z, dy, in s, in o, dx, dw, db) =>
            Affine.Backward(x, w, z, dy, s, o, dx, dw, db))
        .AddFeedForwardForward((x, in p, in s, in o, y, z) =>
            FeedForward.Forward(x, p, s, o, y, z))
        .AddFeedForwardBackward((x, in p, z, dy, in s, in o, dx, in g) =>
            FeedForward.Backward(x, p, z, dy, s, o, dx, g));

    [Theory]
    [InlineData("FusedAttention", 40, "mask", "bias", "key lengths", "contiguous")]
    [InlineData("LayerNorm", 10, "residual", "gradient of the sum")]
    [InlineData("Linear", 15)]
    [InlineData("GeluFeedForward", 10)]
    public void SpanKernels_PassWhatTheyTake_AndSayWhatTheyDoNot(
        string op, int atLeast, params string[] lacks)
    {
        ParityResult[] results =
            [.. ParityRunner.Run(new([op]) { Candidates = [Spans()] })];

        Assert.All(results, r => Assert.False(r.Failed, r.ToString()));
        foreach (OpDirection direction in Enum.GetValues<OpDirection>())
        {
            Assert.InRange(results.Count(r => r.Passed && r.Direction == direction), atLeast,
                results.Length);
        }

        string[] reasons = [.. results.Select(r => r.Skipped).OfType<string>().Distinct()];
        Assert.Contains("the kernel takes Float32 only; a buffer holds Float16", reasons);
        Assert.All(lacks, lack => Assert.Contains(
            reasons, reason => reason.Contains(lack, StringComparison.Ordinal)));
    }

    /// <summary>Inputs and options that the op gets later must not be ignored in silence.
    /// </summary>
    [Fact]
    public void Attention_RefusesEveryInputAndOptionThatTheSpansDoNotHold()
    {
        // A layout without its mask or bias means nothing.
        string[] taken = ["Query", "Key", "Value", "MaskLayout", "BiasLayout", "Sizes", "Options"];
        string[] options = ["Scale", "SoftCap", "Causal", "PastLength", "Window"];
        AttentionInputs plain = new()
        {
            Query = Floats, Key = Floats, Value = Floats, Sizes = new(2, 2, 2, 3, 3, 4, 4),
        };
        Backend backend = Spans();
        Assert.True(backend.Supports(new AttentionForward { Inputs = plain }, out _));
        object[] further =
        [
            .. Changed(plain, taken).Cast<object>(),
            .. Changed(plain.Options, options).Select(o => (object)(plain with { Options = o })),
        ];

        HashSet<string> reasons = [];
        Assert.All(further.Cast<AttentionInputs>(), inputs =>
        {
            Assert.False(backend.Supports(
                new AttentionForward { Inputs = inputs }, out string? why));
            Assert.False(backend.Supports(new AttentionBackward { Inputs = inputs }, out _));
            reasons.Add(why);
        });
        foreach (string extra in new[]
        {
            "mask", "bias", "key lengths", "offsets", "pages", "block mask", "ALiBi slopes",
            "relative bias", "sinks", "score modifier", "dropout",
        })
        {
            Assert.Contains($"the kernel's spans hold no {extra}", reasons);
        }

        Assert.Contains("the kernel's spans are contiguous [B, H, S, D]", reasons);
        Assert.Contains(
            "the call has inputs or options that the kernel's spans do not hold", reasons);
    }

    [Fact]
    public void Limits_AreAskedLast_AndGivenAsTheReason()
    {
        Backend backend = new KernelBackend("mine").AddLinearForward(
            (x, w, b, in s, in o, y, z) => Affine.Forward(x, w, b, s, o, y, z),
            (in call) => call.InputFeatures % 16 != 0 ? "features in sixteens only" : null);

        ParityResult[] results =
            [.. ParityRunner.Run(new() { Candidates = [backend] })];

        Assert.All(results, r => Assert.Equal(
            ("Linear", OpDirection.Forward), (r.Op, r.Direction)));
        Assert.All(results, r => Assert.False(r.Failed, r.ToString()));
        Assert.Contains(results, r => r.Passed);
        Assert.Contains(results, r => r.Skipped == "features in sixteens only");
    }

    [Fact]
    public void WrongUse_IsSaidInOneLine()
    {
        KernelBackend twice = new KernelBackend("mine").Add<AddForward>((in _) => { });

        Assert.Equal("KernelBackend: 'name' is empty. Give a short name.",
            Assert.Throws<ArgumentException>(() => new KernelBackend(" ")).Message);
        Assert.Equal("backend 'mine' has a Forward kernel for Add already. Add one, or make a " +
            "second backend for the other.",
            Assert.Throws<ArgumentException>(() => twice.Add<AddForward>((in _) => { })).Message);
        Assert.Equal("verify: two backends are named 'simd'. Give each its own name.",
            Assert.Throws<ArgumentException>(() => ParityRunner.Run(
                new() { Candidates = [new KernelBackend("simd")] })).Message);
        Assert.Contains("Use one of: reference, simd, mine.",
            Assert.Throws<ArgumentException>(() => ParityRunner.Run(
                new(Backends: ["abacus"]) { Candidates = [twice] })).Message);
    }

    [Fact]
    public unsafe void AsSpan_RefusesAnotherElementType()
    {
        Half half = (Half)1;
        BufferView view = BufferView.Of(&half, 1);

        ArgumentException error =
            Assert.Throws<ArgumentException>(() => view.AsSpan<float>().Length);

        Assert.Contains("Float16", error.Message);
        Assert.True(default(BufferView).AsSpan<float>().IsEmpty);
    }

    // One copy for each further property, with that property set.
    private static IEnumerable<T> Changed<T>(T plain, string[] taken) where T : struct
    {
        foreach (var property in typeof(T).GetProperties())
        {
            if (property.SetMethod is null || taken.Contains(property.Name)) continue;
            object copy = plain;
            property.SetValue(copy, Sample(property.PropertyType));
            yield return (T)copy;
        }
    }

    private static object Sample(Type type)
    {
        if (type == typeof(BufferView)) return Floats;
        type = Nullable.GetUnderlyingType(type) ?? type;
        if (type.IsEnum) return Enum.ToObject(type, 1);
        if (type == typeof(bool)) return true;
        if (type.IsPrimitive) return Convert.ChangeType(1, type);
        if (type == typeof(ScoreModifier)) return ScoreModifier.Of(new NoScoreModifier());
        // A record struct: its longest constructor, else its first property.
        var constructor = type.GetConstructors().MaxBy(c => c.GetParameters().Length);
        if (constructor is not null)
        {
            return constructor.Invoke(
                [.. constructor.GetParameters().Select(p => Sample(p.ParameterType))]);
        }

        object value = Activator.CreateInstance(type)!;
        var first = type.GetProperties().First(p => p.SetMethod is not null);
        first.SetValue(value, Sample(first.PropertyType));
        return value;
    }
}
