using Transformer.Models.Layers;

namespace Transformer.Models;

/// <summary>Kinds of positions as configurations spell them.</summary>
public static class PositionKinds
{
    internal const string Field = "position_embedding_type";

    /// <summary>The spellings; <c>absolute</c> is learned, as in Hugging Face's files.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. All.Select(kind => kind.Name)];

    private static (string Name, PositionKind Kind)[] All =>
    [
        ("absolute", PositionKind.Learned), ("sinusoidal", PositionKind.Sinusoidal),
        ("rotary", PositionKind.Rotary), ("alibi", PositionKind.Alibi),
        ("relative", PositionKind.Relative), ("none", PositionKind.None),
    ];

    internal static string Name(PositionKind kind) => All.First(pair => pair.Kind == kind).Name;

    /// <summary>The kind in a configuration; learned where it has none. The caller has checked
    /// that it is one of <see cref="Names"/>.</summary>
    internal static PositionKind Read(ConfigFields fields)
    {
        string name = fields.Text(Field, All[0].Name);
        return All.First(pair => pair.Name == name).Kind;
    }

    /// <summary>Name of the parameter that <see cref="AttentionPositions"/> of a name learns.
    /// </summary>
    internal static string RelativeBias(string name) => $"{name}.relativeBias";

    /// <summary>Requires a kind that is there, and a width that it can mark.</summary>
    /// <exception cref="ArgumentException">It is not.</exception>
    internal static void Require(string owner, PositionKind kind, int width, int heads)
    {
        if (!Enum.IsDefined(kind))
        {
            throw new ArgumentException($"{owner}: the kind of positions is {kind:D}; expected " +
                $"one of {string.Join(", ", Enum.GetNames<PositionKind>())}.");
        }

        if (kind == PositionKind.Sinusoidal && width % 2 != 0)
        {
            throw new ArgumentException($"{owner}: 'width' is {width}; expected an even number. " +
                "Sinusoids come in pairs.");
        }

        if (kind == PositionKind.Rotary && width / heads % 2 != 0)
        {
            throw new ArgumentException($"{owner}: heads of width {width / heads}; expected an " +
                "even number. Rotation takes pairs: use another width or number of heads.");
        }
    }

    /// <summary>Requires learned positions, the only ones that other libraries know in these
    /// models.</summary>
    /// <exception cref="NotSupportedException">They are of another kind.</exception>
    internal static void RequireLearned(string what, PositionKind kind)
    {
        if (kind == PositionKind.Learned) return;
        throw new NotSupportedException($"{what}: the model has {Name(kind)} positions; other " +
            "libraries know learned ones alone. Train it with learned positions.");
    }

    /// <summary>Requires positions that are added to the tokens' vectors, the only ones that are
    /// written as ONNX.</summary>
    /// <exception cref="NotSupportedException">They are marked in the attention.</exception>
    internal static void RequireTable(PositionKind kind)
    {
        if (kind is PositionKind.Learned or PositionKind.Sinusoidal or PositionKind.None) return;
        throw new NotSupportedException($"ONNX: the model has {Name(kind)} positions; learned " +
            "and sinusoidal ones are written. Train it with those, or export to safetensors.");
    }
}
