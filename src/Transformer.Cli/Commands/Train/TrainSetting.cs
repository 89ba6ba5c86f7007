using System.Globalization;

namespace Transformer.Cli.Commands.Train;

/// <summary>One setting of a training: a flag of the command line, and a field of its file.
/// </summary>
/// <param name="Name">As the flag spells it, without dashes.</param>
/// <param name="ValueName">What the value is, for the help.</param>
/// <param name="Description">For the help.</param>
/// <param name="Apply">The options with the value, given as text.</param>
internal sealed record TrainSetting<TOptions>(
    string Name, string ValueName, string Description,
    Func<TOptions, string, TOptions> Apply)
    where TOptions : ITrainOptions<TOptions>
{
    /// <summary>The value of the flag alone; null: a value must follow.</summary>
    public string? Implied { get; init; }

    /// <summary>A setting that is a text.</summary>
    public static TrainSetting<TOptions> Text(
        string name, string valueName, string description,
        Func<TOptions, string, TOptions> set) =>
        new(name, valueName, description, set);

    /// <summary>A whole number; its range is checked where it is used.</summary>
    public static TrainSetting<TOptions> Whole(
        string name, string description,
        Func<TOptions, int, TOptions> set) =>
        new(name, "N", description, (options, text) => set(options,
            int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture,
                out int value)
                ? value : throw Wrong(name, text, "a whole number")));

    /// <summary>A number.</summary>
    public static TrainSetting<TOptions> Number(
        string name, string description,
        Func<TOptions, double, TOptions> set) =>
        new(name, "X", description, (options, text) => set(options,
            double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture,
                out double value)
                ? value : throw Wrong(name, text, "a number")));

    /// <summary>One of several words.</summary>
    public static TrainSetting<TOptions> Choice<T>(
        string name, string description, (string Word, T Value)[] choices,
        Func<TOptions, T, TOptions> set)
    {
        string words = string.Join('|', choices.Select(c => c.Word));
        return new(name, words, description, (options, text) =>
        {
            int found = Array.FindIndex(
                choices, c => c.Word.Equals(text, StringComparison.OrdinalIgnoreCase));
            return found >= 0
                ? set(options, choices[found].Value)
                : throw Wrong(name, text, words.Replace("|", " or ", StringComparison.Ordinal));
        });
    }

    /// <summary>True or false; the flag alone means true.</summary>
    public static TrainSetting<TOptions> Flag(
        string name, string description,
        Func<TOptions, bool, TOptions> set) =>
        Choice(name, description, [("true", true), ("false", false)], set) with
        {
            Implied = "true",
        };

    /// <summary>A field of the training options, which check type and range.</summary>
    /// <param name="name">The flag.</param>
    /// <param name="description">For the help.</param>
    /// <param name="field">The field, as training options spell it; null: as the flag.</param>
    public static TrainSetting<TOptions> Training(
        string name, string description, string? field = null)
    {
        string camel = field ?? ToCamelCase(name);
        return new(name, "VALUE", description, (options, text) =>
            options.WithTraining(options.Training.With(camel, text)));
    }

    private static ArgumentException Wrong(string name, string text, string expected) =>
        new($"{TOptions.Command}: '{name}' is '{text}'; expected {expected}.");

    private static string ToCamelCase(string name)
    {
        string[] parts = name.Split('-');
        return string.Concat(parts.Select(
            (part, i) => i == 0 ? part : char.ToUpperInvariant(part[0]) + part[1..]));
    }
}
