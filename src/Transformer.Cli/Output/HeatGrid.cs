using System.Globalization;

namespace Transformer.Cli.Output;

/// <summary>A table of numbers to be drawn.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Rows">Names of the rows.</param>
/// <param name="Columns">Names of the columns.</param>
/// <param name="Values">[rows, columns].</param>
/// <param name="IsShare">Whether values are shares of 1; else they may be negative.</param>
internal sealed record HeatGrid(
    string Title, string[] Rows, string[] Columns, float[,] Values, bool IsShare)
{
    private static readonly CultureInfo Culture = CultureInfo.InvariantCulture;

    private readonly double full = Values.Cast<float>().Where(float.IsFinite)
        .Select(value => Math.Abs((double)value)).Append(0).Max();

    /// <summary>What the full colour stands for.</summary>
    public string Full => Text(full);

    /// <summary>A value over the largest magnitude: 0 to 1, or −1 to 1.</summary>
    public double Share(int row, int column) =>
        float.IsFinite(Values[row, column]) && full > 0 ? Values[row, column] / full : 0;

    /// <summary>Row, column and value, for people.</summary>
    public string Describe(int row, int column) => IsShare
        ? $"{Rows[row]} → {Columns[column]}: {Text(Values[row, column])}"
        : $"{Rows[row]}, {Columns[column]}: {Text(Values[row, column])}";

    private string Text(double value) => IsShare
        ? (100 * value).ToString("0.0", Culture) + " %" : value.ToString("0.####", Culture);
}
