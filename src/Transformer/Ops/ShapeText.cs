using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;

namespace Transformer.Ops;

/// <summary>
/// The text of an interpolated string such as <c>$"[{rows}, {width}]"</c>, put together only when a
/// message needs it: checks that pass allocate nothing.
/// </summary>
[InterpolatedStringHandler]
internal ref struct ShapeText
{
    private const int Capacity = 16;

    private Literals literals;
    private Values values;
    private int count;

    /// <summary>Called by the compiler.</summary>
    public ShapeText(int literalLength, int formattedCount)
    {
        _ = literalLength;
        _ = formattedCount;
    }

    /// <summary>A text without numbers.</summary>
    public static implicit operator ShapeText(string text)
    {
        ShapeText shape = new(text.Length, 0);
        shape.AppendLiteral(text);
        return shape;
    }

    /// <summary>Appends text.</summary>
    public void AppendLiteral(string value) => literals[count++] = value;

    /// <summary>Appends text.</summary>
    public void AppendFormatted(string value) => AppendLiteral(value);

    /// <summary>Appends a number.</summary>
    public void AppendFormatted(long value) => values[count++] = value;

    /// <summary>The text.</summary>
    public override readonly string ToString()
    {
        StringBuilder text = new();
        for (int i = 0; i < count; i++)
        {
            if (literals[i] is { } literal) text.Append(literal);
            else text.Append(CultureInfo.InvariantCulture, $"{values[i]}");
        }

        return text.ToString();
    }

    [InlineArray(Capacity)]
    private struct Literals
    {
        private string? first;
    }

    [InlineArray(Capacity)]
    private struct Values
    {
        private long first;
    }
}
