using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Transformer.Cli;

/// <summary>An option that is a number, in the same form everywhere: the point before decimals,
/// nothing between thousands, finite.</summary>
internal sealed class NumberOption<T> : Option<T>
    where T : struct, INumberBase<T>, IMinMaxValue<T>
{
    /// <summary>Makes the option.</summary>
    public NumberOption(string name)
        : base(name) => CustomParser = result => NumberText.Parse<T>(name, result);
}

/// <summary>A number that may be left out, in the same form.</summary>
internal sealed class OptionalNumberOption<T> : Option<T?>
    where T : struct, INumberBase<T>, IMinMaxValue<T>
{
    /// <summary>Makes the option.</summary>
    public OptionalNumberOption(string name)
        : base(name) => CustomParser = result => NumberText.Parse<T>(name, result);
}

/// <summary>How options read numbers.</summary>
file static class NumberText
{
    public static T Parse<T>(string name, ArgumentResult result)
        where T : struct, INumberBase<T>, IMinMaxValue<T>
    {
        if (result.Tokens is not [{ Value: string text }]) return default;
        bool whole = T.IsZero(T.CreateTruncating(0.5));
        NumberStyles styles = whole ? NumberStyles.Integer : NumberStyles.Float;
        if (T.TryParse(text, styles, CultureInfo.InvariantCulture, out T number) &&
            T.IsFinite(number)) return number;
        string expected = whole
            ? string.Create(CultureInfo.InvariantCulture,
                $"a whole number from {T.MinValue} to {T.MaxValue}; write 1000, not 1,000")
            : "a finite number with a point before the decimals; write 0.5, not 0,5";
        result.AddError($"{name} is '{text}'; expected {expected}.");
        return default;
    }
}
