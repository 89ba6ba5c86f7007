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

    /// <summary>How strong a value's colour is: 0 to 1 for shares, by the square root, which lets
    /// the weak ones of long texts be seen; −1 to 1 for others.</summary>
    public double Strength(int row, int column)
    {
        float value = Values[row, column];
        if (!float.IsFinite(value) || full == 0) return 0;
        return IsShare ? Math.Sqrt(Math.Max(0, value) / full) : value / full;
    }

    /// <summary>Row, column and value, for people.</summary>
    public string Describe(int row, int column) => IsShare
        ? $"{Rows[row]} → {Columns[column]}: {Text(Values[row, column])}"
        : $"{Rows[row]}, {Columns[column]}: {Text(Values[row, column])}";

    /// <summary>Itself where it has at most so many rows and columns; else neighbours become one:
    /// the value of largest magnitude, under the first one's names.</summary>
    public HeatGrid Joined(int mostRows, int mostColumns)
    {
        int down = (Rows.Length + mostRows - 1) / mostRows;
        int across = (Columns.Length + mostColumns - 1) / mostColumns;
        if (down * across == 1) return this;
        string[] rows = Every(Rows, down), columns = Every(Columns, across);
        float[,] values = new float[rows.Length, columns.Length];
        for (int row = 0; row < Rows.Length; row++)
        {
            for (int column = 0; column < Columns.Length; column++)
            {
                ref float kept = ref values[row / down, column / across];
                float value = Values[row, column];
                if (float.IsFinite(value) && Math.Abs(value) > Math.Abs(kept)) kept = value;
            }
        }

        return new(string.Create(Culture, $"{Title}, the largest of each {down} × {across}"),
            rows, columns, values, IsShare);
    }

    private static string[] Every(string[] names, int step) =>
        [.. names.Chunk(step).Select(chunk => chunk[0])];

    private string Text(double value) => IsShare
        ? (100 * value).ToString("0.0", Culture) + " %" : value.ToString("0.####", Culture);
}
