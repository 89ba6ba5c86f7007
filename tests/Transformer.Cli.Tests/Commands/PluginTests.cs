using System.Reflection;
using System.Reflection.Metadata;
using System.Reflection.Metadata.Ecma335;
using System.Reflection.PortableExecutable;
using System.Text.Json;
using System.Text.RegularExpressions;
using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.Cli.Tests.Commands;

/// <summary><c>verify --plugin</c> and <c>bench --plugin</c> on the sample plug-in.</summary>
public sealed partial class PluginTests : IDisposable
{
    private const string Switch = "Transformer.Cli.Plugins.IsSupported";
    private static readonly string Sample = Path.Combine(
        AppContext.BaseDirectory, "plugin", "Transformer.SamplePlugin.dll");

    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void RightKernels_PassEveryCaseThatTheySupport()
    {
        CommandResult result = CommandLine.Run("verify", "--plugin", Sample, "--backend", "sample",
            "--backend", "mine", "--json", files["json"]).Succeeded();

        JsonElement[] rows = Rows("json");
        Assert.All(rows, row => Assert.True(Passed(row) || Unsupported(row) is not null));
        Assert.Equal(["Blend", "FusedAttention", "LayerNorm", "Linear"],
            rows.Where(Passed).Select(row => Text(row, "op")).Distinct().Order());
        Assert.InRange(rows.Count(row => Passed(row) && Text(row, "op") == "FusedAttention"),
            60, rows.Length);
        Assert.Contains(rows, row => Unsupported(row) == "the kernel's spans hold no mask");
        Assert.Contains(rows, row => Unsupported(row) == "no activations yet");
        Assert.DoesNotContain("FAILED", result.Output);
        Assert.DoesNotContain("sample-wrong", result.Output);
    }

    [Fact]
    public void WrongKernel_IsCaughtWithOpCaseIndexAndBothValues()
    {
        CommandResult result = CommandLine.Run("verify", "--plugin", Sample);

        Assert.Equal(Application.CheckFailed, result.ExitCode);
        Match[] found = [.. result.OutputLines.Select(line => Finding().Match(line))
            .Where(match => match.Success)];
        Assert.NotEmpty(found);
        Assert.All(found, finding =>
        {
            // The fault is one key too many at the causal edge.
            Assert.Matches("bottom-right|top-left|past", finding.Groups["case"].Value);
            Assert.NotEqual(finding.Groups["actual"].Value, finding.Groups["expected"].Value);
        });
        Assert.DoesNotContain("FAILED", string.Join('\n', result.OutputLines.Where(
            line => !line.Contains("'sample-wrong'", StringComparison.Ordinal))));
    }

    [Fact]
    public void OneFailingCase_CanBeRunAlone()
    {
        const string name = "[2, 4/2, 38×21, 40/40] past 7";
        string[] command = ["verify", "--plugin", Sample, "--case", name, "--json", files["json"]];

        Assert.Equal(Application.CheckFailed, CommandLine.Run(command).ExitCode);
        Assert.Equal([("sample", true), ("sample-wrong", false)],
            Rows("json").Select(row => (Text(row, "backend"), Passed(row))));
        CommandLine.Run([.. command, "--backend", "sample"]).Succeeded();
        CommandLine.Run("verify", "--plugin", Sample, "--case", "no such case")
            .IsBadInput("none of", "'no such case'");
    }

    [Fact]
    public void Bench_PrintsTheRooflineRows_BesideTheBestBuiltInBackend()
    {
        CommandResult result = CommandLine.Run("bench", "--plugin", Sample, "--size", "small",
            "--seconds", "0.001", "--json", files["json"]).Succeeded();

        JsonElement[] rows = Rows("json");
        foreach ((string backend, string op) in new[]
        {
            ("sample", "FusedAttention"), ("sample-wrong", "FusedAttention"),
            ("simd", "FusedAttention"), ("sample", "LayerNorm"), ("mine", "Linear"),
            ("sample", "Blend"),
        })
        {
            Assert.Contains(rows, row => Text(row, "backend") == backend &&
                Text(row, "op") == op && Unsupported(row) is null &&
                row.GetProperty("ms").GetDouble() > 0 &&
                row.GetProperty("ofLimit").GetDouble() > 0);
            Assert.Contains(result.OutputLines, line =>
                line.StartsWith(op, StringComparison.Ordinal) &&
                line.Contains($" {backend} ", StringComparison.Ordinal));
        }

        Assert.DoesNotContain(rows, row => Text(row, "op") == "Dropout");
    }

    [Fact]
    public void Op_IsRunWhetherThePluginHasItOrNot()
    {
        CommandResult result = CommandLine.Run(
            "verify", "--plugin", Sample, "--op", "Dropout", "--quick", "--json", files["json"]);

        Assert.Equal(Application.CheckFailed, result.ExitCode);
        Assert.All(Rows("json"), row => Assert.EndsWith(
            "kernel for Dropout", Unsupported(row), StringComparison.Ordinal));
        string line = Assert.Single(
            result.Error.Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries));
        Assert.Matches("^error: nothing was verified: none of \\d+ cases is supported.*kernel " +
            "for Dropout", line);
    }

    /// <summary>A kernel that supports none of an op's cases says nothing about the op.</summary>
    [Fact]
    public void OnlyUnsupportedCases_AreNoSuccess()
    {
        CommandResult result = CommandLine.Run("verify", "--plugin", Sample, "--backend", "mine",
            "--op", "FusedAttention", "--quick");

        Assert.Equal(Application.CheckFailed, result.ExitCode);
        Assert.Contains("nothing was verified", result.Error, StringComparison.Ordinal);
        Assert.Contains("'mine'", result.Error, StringComparison.Ordinal);
    }

    /// <summary>An ordinary build copies the library beside the plug-in: the host's counts.
    /// </summary>
    [Fact]
    public void LibraryBesideThePlugin_IsNotLoadedTwice()
    {
        string plugin = files["copied.dll"], library = typeof(Backend).Assembly.Location;
        File.Copy(Sample, plugin);
        File.Copy(library, files[Path.GetFileName(library)]);

        CommandLine.Run("verify", "--plugin", plugin, "--backend", "mine").Succeeded();
    }

    [Fact]
    public void NothingIsRegistered()
    {
        CommandLine.Run("verify", "--plugin", Sample, "--op", "Add", "--quick", "--backend", "simd")
            .Succeeded();

        Assert.DoesNotContain(BackendRegistry.All, backend => backend.Name == "sample");
        CommandLine.Run("verify", "--backend", "sample").IsBadInput("'sample' is unknown", "simd");
        CommandLine.Run("verify", "--op", "Blend").IsBadInput("'Blend' is unknown");
    }

    [Fact]
    public void FilesThatAreNoPlugins()
    {
        Plugin(files["none.dll"]).IsBadInput("none.dll", "no such file");
        Plugin(files.Path).IsBadInput(files.Path, "is a folder");
        Plugin(files.Text("text.dll", "MZ")).IsBadInput("text.dll", "is not a .NET assembly");
        Plugin("").IsBadInput("--plugin is empty");
        Plugin(typeof(Backend).Assembly.Location)
            .IsBadInput("Transformer.dll", "no public class", "IKernelPlugin");
        Plugin(Empty("empty.dll", new(1, 0, 0, 0), "Other")).IsBadInput("no public class");
        CommandLine.Run("bench", "--plugin", files["none.dll"]).IsBadInput("no such file");
    }

    [Fact]
    public void PluginsThatDoNotFit()
    {
        Plugin(Empty("later.dll", new(9, 1, 2, 0), "Transformer"))
            .IsBadInput("later.dll", "built against Transformer 9.1.2", "Rebuild it");
        CommandLine.Run("verify", "--plugin", Sample, "--plugin", Sample)
            .IsBadInput("already", "Give it another");
        // This assembly has a plug-in, too; see below.
        Plugin(typeof(PluginTests).Assembly.Location)
            .IsBadInput("Transformer.Cli.Tests.dll", "InvalidOperationException: no device here");
    }

    [Fact]
    public void TrimmedPrograms_SayThatTheyCannotLoad()
    {
        try
        {
            AppContext.SetSwitch(Switch, false);
            Plugin(Sample).IsBadInput("trimmed", "dotnet run");
            CommandLine.Run("verify", "--op", "Add", "--quick").Succeeded();
        }
        finally
        {
            AppContext.SetSwitch(Switch, true);
        }
    }

    private static CommandResult Plugin(string file) =>
        CommandLine.Run("verify", "--plugin", file);

    private static string Text(JsonElement row, string name) => row.GetProperty(name).GetString()!;

    private static string? Unsupported(JsonElement row) =>
        row.GetProperty("unsupported").GetString();

    private static bool Passed(JsonElement row) => row.GetProperty("passed").GetBoolean();

    private JsonElement[] Rows(string file)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(files[file]));
        return [.. json.RootElement.Clone().GetProperty("rows").EnumerateArray()];
    }

    // An assembly without types that refers to one other.
    private string Empty(string file, Version version, string reference)
    {
        MetadataBuilder metadata = new();
        StringHandle Name(string text) => metadata.GetOrAddString(text);
        metadata.AddModule(0, Name(file), metadata.GetOrAddGuid(Guid.NewGuid()), default, default);
        metadata.AddAssembly(Name(Path.GetFileNameWithoutExtension(file)), new(1, 0, 0, 0),
            default, default, default, AssemblyHashAlgorithm.None);
        metadata.AddAssemblyReference(Name(reference), version, default, default, default, default);
        metadata.AddTypeDefinition(default, default, Name("<Module>"), default,
            MetadataTokens.FieldDefinitionHandle(1), MetadataTokens.MethodDefinitionHandle(1));
        ManagedPEBuilder image = new(
            PEHeaderBuilder.CreateLibraryHeader(), new MetadataRootBuilder(metadata), new());
        BlobBuilder bytes = new();
        image.Serialize(bytes);
        File.WriteAllBytes(files[file], bytes.ToArray());
        return files[file];
    }

    [GeneratedRegex(@"^FusedAttention Forward on 'sample-wrong', case '(?<case>.+)' \(Float32\): " +
        @"FAILED: (output|logSumExp)\[\d+\] = (?<actual>\S+), expected (?<expected>[^:]+): ")]
    private static partial Regex Finding();
}

/// <summary>A plug-in that cannot start.</summary>
public sealed class BrokenPlugin : IKernelPlugin
{
    public BrokenPlugin() => throw new InvalidOperationException("no device here");

    public IEnumerable<Backend> Backends => [];
}
