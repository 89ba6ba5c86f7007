using Transformer.Models.Layers;

namespace Transformer.Cli.Commands.Train;

/// <summary>Kinds of positions as flags spell them.</summary>
internal static class PositionKindWords
{
    /// <summary>All that mark positions.</summary>
    public static readonly (string Word, PositionKind Kind)[] Marked =
    [
        ("learned", PositionKind.Learned), ("sinusoidal", PositionKind.Sinusoidal),
        ("rotary", PositionKind.Rotary), ("alibi", PositionKind.Alibi),
        ("relative", PositionKind.Relative),
    ];

    /// <summary>These, and none.</summary>
    public static readonly (string Word, PositionKind Kind)[] All =
        [.. Marked, ("none", PositionKind.None)];
}
