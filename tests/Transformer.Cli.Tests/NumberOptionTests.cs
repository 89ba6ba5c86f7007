using System.CommandLine;

namespace Transformer.Cli.Tests;

/// <summary>Numbers have one form on every command; another is refused, never guessed at.
/// </summary>
public sealed class NumberOptionTests
{
    private static readonly Type[] Numbers =
    [
        typeof(double), typeof(float), typeof(decimal), typeof(int), typeof(uint), typeof(long),
        typeof(ulong), typeof(short), typeof(ushort), typeof(byte),
    ];

    [Fact]
    public void EveryNumber_RefusesACommaAndWhatIsNoNumber()
    {
        int doubles = 0, wholes = 0;
        foreach ((string[] path, Option option) in All(Application.CreateRoot(), []))
        {
            Type type = Nullable.GetUnderlyingType(option.ValueType) ?? option.ValueType;
            if (!Numbers.Contains(type)) continue;
            bool whole = type != typeof(double);
            if (whole) wholes++; else doubles++;
            string[] wrong = whole
                ? ["0,5", "1,000", "2.5", "x", "99999999999999999999"]
                : ["0,5", "1,000", "1,000.5", "x", "nan", "inf", "1e999"];
            foreach (string text in wrong)
            {
                string[] words = [.. path, option.Name, text];
                string form = whole ? "expected a whole number" : "write 0.5, not 0,5";
                Assert.Contains(Application.CreateRoot().Parse(words).Errors, error =>
                    error.Message.StartsWith($"{option.Name} is '{text}'; ",
                        StringComparison.Ordinal) &&
                    error.Message.Contains(form, StringComparison.Ordinal));
                Assert.Equal(Application.BadInput, CommandLine.Run(words).ExitCode);
            }

            ParseResult right =
                Application.CreateRoot().Parse([.. path, option.Name, whole ? "7" : "0.5"]);
            Assert.DoesNotContain(right.Errors, error =>
                error.Message.Contains($"{option.Name} is", StringComparison.Ordinal));
        }

        // As many as there are today: the walk found them.
        Assert.True(doubles >= 14, $"{doubles} doubles");
        Assert.True(wholes >= 13, $"{wholes} whole numbers");
    }

    [Theory]
    [InlineData("0,5", "--scale is '0,5'; expected a finite number", "write 0.5, not 0,5")]
    [InlineData("1e999", "--scale is '1e999'", "finite")]
    public void Attention_NamesOptionValueAndForm(string text, params string[] parts) =>
        CommandLine.Run("run", "attention", "--q", "q", "--k", "k", "--v", "v", "--heads", "1",
            "--out", "o", "--scale", text)
            .IsBadInput([.. parts, "See 'transformer run attention --help'"]);

    [Theory]
    [InlineData("--learning-rate")]
    [InlineData("--dropout")]
    [InlineData("--weight-decay")]
    [InlineData("--label-smoothing")]
    public void TrainingSettings_RefuseAComma(string flag)
    {
        using TemporaryFolder files = new();
        CommandLine.Run("train", "seq2seq", "--out", files["m"], "--corpus", "builtin", flag, "0,5")
            .IsBadInput("0,5");
    }

    private static IEnumerable<(string[] Path, Option Option)> All(Command command, string[] path)
    {
        foreach (Option option in command.Options) yield return (path, option);
        foreach (Command sub in command.Subcommands)
        {
            foreach ((string[], Option) found in All(sub, [.. path, sub.Name])) yield return found;
        }
    }
}
