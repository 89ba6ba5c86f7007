using Transformer.Ops;

namespace Transformer.Verification.Cases;

/// <summary>c·tanh(s/c) less a decay with the distance that differs by head and sequence.</summary>
internal readonly struct CappedDecay(float cap) : IDifferentiableScoreModifier
{
    static bool IScoreModifier.HidesKeys => false;

    public float Apply(float score, int batch, int head, int query, int key) =>
        (cap * MathF.Tanh(score / cap)) -
            (0.0625f * (1 + head + batch) * MathF.Log(1 + Math.Abs(query - key)));

    public bool IsVisible(int batch, int head, int query, int key) => true;

    public float Derivative(float score, int batch, int head, int query, int key)
    {
        float tanh = MathF.Tanh(score / cap);
        return 1 - (tanh * tanh);
    }
}

/// <summary>Documents of a given length, staggered by sequence; odd heads also see each document's
/// neighbour to the left. Scores stay.</summary>
internal readonly struct DocumentMask(int length) : IDifferentiableScoreModifier
{
    public float Apply(float score, int batch, int head, int query, int key) => score;

    public bool IsVisible(int batch, int head, int query, int key)
    {
        int own = (query + (3 * batch)) / length, other = (key + (3 * batch)) / length;
        return own == other || (head % 2 == 1 && own == other + 1);
    }

    public float Derivative(float score, int batch, int head, int query, int key) => 1;
}
