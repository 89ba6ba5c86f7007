// snippet: alibi-modifier
using System.Runtime.CompilerServices;
using Transformer.Numerics;
using Transformer.Ops;

// /snippet

namespace Transformer.Samples;

// snippet: alibi-modifier
/// <summary>ALiBi (Press et al. 2022) as a struct: −m·|p − j| with one slope a head.</summary>
internal readonly struct AlibiModifier(float[] slopes, int offset) : IDifferentiableScoreModifier
{
    static bool IScoreModifier.HidesKeys => false;

    static bool IScoreModifier.IsVectorised => true;

    public float Apply(float score, int batch, int head, int query, int key) =>
        score - (slopes[head] * Math.Abs(query + offset - key));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T ApplyVector<T>(T score, int batch, int head, int query, T key)
        where T : struct, IFloatVector<T> =>
        score - (T.Broadcast(slopes[head]) * T.Abs(T.Broadcast(query + offset) - key));

    public bool IsVisible(int batch, int head, int query, int key) => true;

    public float Derivative(float score, int batch, int head, int query, int key) => 1;
}
// /snippet

/// <summary>Gemma's soft cap: c·tanh(s/c).</summary>
internal readonly struct SoftCapModifier(float cap) : IDifferentiableScoreModifier
{
    static bool IScoreModifier.HidesKeys => false;

    static bool IScoreModifier.IsVectorised => true;

    public float Apply(float score, int batch, int head, int query, int key) =>
        cap * MathF.Tanh(score / cap);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public T ApplyVector<T>(T score, int batch, int head, int query, T key)
        where T : struct, IFloatVector<T> =>
        T.Broadcast(cap) * T.Tanh(score * T.Broadcast(1 / cap));

    public bool IsVisible(int batch, int head, int query, int key) => true;

    public float Derivative(float score, int batch, int head, int query, int key)
    {
        float t = MathF.Tanh(score / cap);
        return 1 - (t * t);
    }
}

/// <summary>Several documents in one sequence: a query sees its own document only.</summary>
/// <param name="documents">[B, S], the document of each position.</param>
/// <param name="length">S.</param>
internal readonly struct DocumentMask(int[] documents, int length) : IDifferentiableScoreModifier
{
    public float Apply(float score, int batch, int head, int query, int key) => score;

    public bool IsVisible(int batch, int head, int query, int key) =>
        documents[(batch * length) + query] == documents[(batch * length) + key];

    public float Derivative(float score, int batch, int head, int query, int key) => 1;
}

/// <summary>A causal sliding window: the own position and <paramref name="left"/> before it.
/// </summary>
internal readonly struct SlidingWindowMask(int left) : IDifferentiableScoreModifier
{
    public float Apply(float score, int batch, int head, int query, int key) => score;

    public bool IsVisible(int batch, int head, int query, int key) =>
        key <= query && key >= query - left;

    public float Derivative(float score, int batch, int head, int query, int key) => 1;
}

/// <summary>A penalty that grows with distance and levels off: s − w·tanh(|i − j|/reach).
/// </summary>
internal readonly struct DistanceDecayModifier(float weight, float reach)
    : IDifferentiableScoreModifier
{
    static bool IScoreModifier.HidesKeys => false;

    public float Apply(float score, int batch, int head, int query, int key) =>
        score - (weight * MathF.Tanh(Math.Abs(query - key) / reach));

    public bool IsVisible(int batch, int head, int query, int key) => true;

    public float Derivative(float score, int batch, int head, int query, int key) => 1;
}
