using System.CommandLine;

namespace Transformer.Cli.Tests;

/// <summary>Every command explains itself and each of its options.</summary>
public sealed class HelpTests
{
    public static TheoryData<string> Commands()
    {
        TheoryData<string> rows = [];
        void Add(Command command, string path)
        {
            rows.Add(path);
            foreach (Command sub in command.Subcommands) Add(sub, $"{path} {sub.Name}".Trim());
        }

        Add(Application.CreateRoot(), "");
        return rows;
    }

    [Theory]
    [MemberData(nameof(Commands))]
    public void Help_ListsEveryOption_ThoughRequiredOnesAreMissing(string path)
    {
        string[] names = path.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        Command command = names.Aggregate((Command)Application.CreateRoot(),
            (parent, name) => parent.Subcommands.Single(sub => sub.Name == name));
        CommandResult help = CommandLine.Run([.. names, "--help"]).Succeeded();
        Assert.All(command.Options.Where(option => !option.Hidden), option =>
        {
            Assert.Contains(option.Name, help.Output, StringComparison.Ordinal);
            Assert.False(string.IsNullOrEmpty(option.Description), option.Name);
        });
    }
}
