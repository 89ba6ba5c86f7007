using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Transformer.Backends;
using Transformer.Cuda;
using Transformer.Verification;

namespace Transformer.Cli.Tests.Readme;

/// <summary>
/// The README's code is the compiled samples, and its tables are made from the registry and from
/// committed result files. <c>UPDATE_README=1 dotnet test --filter Readme</c> rewrites them.
/// </summary>
public sealed partial class ReadmeTests
{
    private const string SpeedResult = $"{ResultFiles.Folder}/bench-base.json";

    private static readonly string[] SnippetFiles =
    [
        "tests/Transformer.Cli.Tests/Readme/Samples.cs",
        "tests/Transformer.Cli.Tests/Readme/AttentionSamples.cs",
        "tests/Transformer.Cli.Tests/Readme/AttentionLayerSample.cs",
        "benchmarks/Transformer.SamplePlugin/MyKernels.cs",
        "tests/Transformer.Tests/FusedAttention/ScoreModifierSamples.cs",
    ];

    /// <summary>Pages with code or tables that are made from elsewhere, but for those that tests
    /// of Transformer.Models compile.</summary>
    public static TheoryData<string> MadePages => [.. Documents.All().Where(
        page => Sections().Matches(File.ReadAllText(Path.Combine(Root(), page))).Any(
            match => match.Groups["name"].Value != "graph"))];

    [Theory]
    [MemberData(nameof(MadePages))]
    public void Readme_ShowsCompiledCodeAndCurrentTables(string page)
    {
        string path = Path.Combine(Root(), page);
        string readme = File.ReadAllText(path);
        string current = Sections().Replace(readme, match =>
            match.Groups["open"].Value + "\n" + Content(match.Groups["kind"].Value,
                match.Groups["name"].Value) + match.Groups["close"].Value);
        if (Environment.GetEnvironmentVariable("UPDATE_README") == "1")
        {
            File.WriteAllText(path, current);
            return;
        }

        Assert.True(current == readme, $"{page} is stale. Run: UPDATE_README=1 dotnet test " +
            "-c Release tests/Transformer.Cli.Tests --filter Readme");
    }

    /// <summary>The translation itself needs a trained model: the demo checks it.</summary>
    [Fact]
    public void TranslateSample_NamesTheFolderThatIsMissing()
    {
        Exception error = Assert.ThrowsAny<Exception>(Samples.Translate);
        Assert.Contains("runs/en-ru", error.Message);
    }

    [Fact]
    public void AttentionSamples_Run()
    {
        // Values of 1 give outputs of 1; each of 256 weights' rows sums to 1.
        Assert.Equal(1f, AttentionSamples.Options());
        Assert.Equal(256f, AttentionSamples.Modifier(), 1e-3f);
        Assert.Equal(1f, AttentionSamples.PagedCache(), 1e-6f);
    }

    [Fact]
    public void DropInAttentionSample_Runs() => Assert.True(Samples.DropInAttention());

    [Fact]
    public void AttentionLayerSample_Runs() => Assert.True(AttentionLayerSample.Run());

    /// <summary>The plug-in that the same page shows is run by the tests of <c>--plugin</c>.
    /// </summary>
    [Fact]
    public void CheckedKernelSample_Passes() => Samples.CheckedKernel();

    [Fact]
    public void LinksOfEveryPage_Exist()
    {
        Assert.All(Documents.All().Select(page => Path.Combine(Root(), page)), page =>
        {
            foreach (Match link in Links().Matches(File.ReadAllText(page)))
            {
                string target = link.Groups["target"].Value;
                if (target.Contains("://") || target.StartsWith('#')) continue;
                string full = Path.Combine(
                    Path.GetDirectoryName(page)!, target.Split('#')[0]);
                Assert.True(Path.Exists(full), $"{page} links to {target}, which does not exist.");
            }
        });
    }

    private static string Content(string kind, string name) => (kind, name) switch
    {
        ("snippet", _) => $"```csharp\n{Snippet(name)}```\n",
        ("table", "ops") => OpsTable(),
        ("table", "attention") => AttentionTable(),
        ("table", "attention-costs") => AttentionCostsTable(),
        ("table", "speed") => SpeedTable(),
        ("table", "targets") => TargetsTable.Of(ResultFiles.Committed, ResultFiles.Again),
        ("table", "peers") => PeersTable.Of(ResultFiles.Committed),
        ("table", "translation") => TranslationTable(),
        ("table", "models") => ModelsTable(),
        ("table", "positions") => PositionsTable(),
        ("table", "classifiers") => ClassifiersTable.Of(ResultFiles.Committed),
        ("table", "tokenizers") => TokenizersTable.Speed(ResultFiles.Committed),
        ("table", "vocabularies") => TokenizersTable.Vocabularies(ResultFiles.Committed),
        ("table", "complexity") => ComplexityTable.Of(ResultFiles.Committed),
        _ => throw new InvalidOperationException($"README: unknown section '{kind}: {name}'."),
    };

    /// <summary>All regions of that name, one after the other: the usings, then the code.
    /// </summary>
    private static string Snippet(string name)
    {
        string[] lines =
            [.. SnippetFiles.SelectMany(file => File.ReadAllLines(Path.Combine(Root(), file)))];
        StringBuilder text = new();
        int first = 0, last = 0;
        while ((first = Array.FindIndex(lines, last, l => l.Trim() == $"// snippet: {name}")) >= 0)
        {
            last = Array.FindIndex(lines, first, l => l.Trim() == "// /snippet");
            string[] body = lines[(first + 1)..last];
            int indent = body.Where(l => l.Length > 0).Min(l => l.Length - l.TrimStart().Length);
            foreach (string line in body)
            {
                text.Append(line.Length > 0 ? line[indent..] : "").Append('\n');
            }
        }

        Assert.True(text.Length > 0, $"No file has a snippet '{name}'.");
        return text.ToString();
    }

    private static string OpsTable()
    {
        CudaBackend.Register();
        // Kernels of an optional package are there or not as the build found it: kernels/README.md.
        IReadOnlyList<Backend> backends = [.. BackendRegistry.All
            .Where(b => !b.Name.StartsWith("ilgpu", StringComparison.Ordinal))];
        StringBuilder table = new();
        table.Append($"| op | {string.Join(" | ", backends.Select(b => b.Name))} |\n");
        table.Append($"| --- |{string.Concat(backends.Select(_ => " --- |"))}\n");
        foreach (string op in backends.SelectMany(b => b.Kernels).Select(k => k.Op).Distinct()
            .Order(StringComparer.Ordinal))
        {
            IEnumerable<string> cells = backends.Select(b => string.Join(", ", b.Kernels
                .Where(k => k.Op == op).Select(k => k.Direction).Distinct().Order()
                .Select(d => d.ToString().ToLowerInvariant())));
            string row = string.Join(" | ", cells.Select(c => c.Length > 0 ? c : "–"));
            table.Append($"| {op} | {row} |\n");
        }

        return table.ToString();
    }

    /// <summary>Runs every attention case: a cell counts those that use the feature and agree with
    /// the reference; one that fails would fail this test.</summary>
    private static string AttentionTable()
    {
        Backend[] backends = [BackendRegistry.Reference, BackendRegistry.Cpu];
        OpDirection[] directions = [OpDirection.Forward, OpDirection.Backward];
        List<string> features = [];
        Dictionary<(string, string, OpDirection), (int Passed, int All)> counts = [];
        foreach (ParityCase single in ParityCases.Select(["FusedAttention"], quick: false))
        {
            foreach (ParityResult result in single.RunAll(backends))
            {
                Assert.False(result.Failed, result.ToString());
                foreach (string feature in single.Features)
                {
                    if (!features.Contains(feature)) features.Add(feature);
                    (string, string, OpDirection) key =
                        (feature, result.Backend, result.Direction);
                    (int passed, int all) = counts.GetValueOrDefault(key);
                    counts[key] = (passed + (result.Passed ? 1 : 0), all + 1);
                }
            }
        }

        StringBuilder table = new("| feature |");
        foreach (Backend backend in backends)
        {
            foreach (OpDirection direction in directions)
            {
                table.Append(CultureInfo.InvariantCulture,
                    $" {backend.Name} {direction.ToString().ToLowerInvariant()} |");
            }
        }

        table.Append("\n| --- |")
            .Insert(table.Length, " ---: |", backends.Length * directions.Length).Append('\n');
        foreach (string feature in features.Order(StringComparer.OrdinalIgnoreCase))
        {
            table.Append(CultureInfo.InvariantCulture, $"| {feature} |");
            foreach (Backend backend in backends)
            {
                foreach (OpDirection direction in directions)
                {
                    (int passed, int all) =
                        counts.GetValueOrDefault((feature, backend.Name, direction));
                    // The reference cannot differ from itself.
                    bool defines = backend == BackendRegistry.Reference && passed == all;
                    table.Append(all == 0 ? " – |" : defines ? " defines |" : passed == all
                        ? string.Create(CultureInfo.InvariantCulture, $" {passed} |")
                        : string.Create(CultureInfo.InvariantCulture, $" {passed} of {all} |"));
                }
            }

            table.Append('\n');
        }

        return table.ToString();
    }

    private static string AttentionCostsTable()
    {
        JsonElement costs = ResultFiles.Committed.Read("attention-costs.json");
        JsonElement memory = costs.GetProperty("memory");
        StringBuilder table = new();
        table.Append("| 12 heads of 64 | ms | other's ms | ratio | quartiles |\n");
        table.Append("| --- | ---: | ---: | ---: | ---: |\n");
        foreach (JsonElement ratio in costs.GetProperty("ratios").EnumerateArray())
        {
            table.Append(CultureInfo.InvariantCulture,
                $"| {ratio.GetProperty("name").GetString()} | {Number(ratio, "ms", "0.0")} | ")
                .Append(CultureInfo.InvariantCulture,
                $"{Number(ratio, "overMs", "0.0")} | {Number(ratio, "ratio", "0.000")} | ")
                .Append(CultureInfo.InvariantCulture,
                $"{Number(ratio, "ratioLowerQuartile", "0.000")} to ")
                .Append(CultureInfo.InvariantCulture,
                $"{Number(ratio, "ratioUpperQuartile", "0.000")} |\n");
        }

        table.Append(CultureInfo.InvariantCulture,
            $"\nMemory, {memory.GetProperty("shape").GetString()}: q, k, v and the output take ")
            .Append(CultureInfo.InvariantCulture,
            $"{Number(memory, "queryKeyValueOutputMiB", "0")} MiB; the whole process grew by ")
            .Append(CultureInfo.InvariantCulture,
            $"{Number(memory, "peakForwardMiB", "0")} MiB in a forward pass, these included, and ")
            .Append(CultureInfo.InvariantCulture,
            $"by {Number(memory, "peakForwardAndBackwardMiB", "0")} MiB with the backward pass ")
            .Append(CultureInfo.InvariantCulture,
            $"and its {Number(memory, "gradientsMiB", "0")} MiB of gradients.\n");
        return table.ToString();
    }

    private static string SpeedTable()
    {
        JsonElement result = ResultFiles.Committed.Read("bench-base.json");
        JsonElement machine = result.GetProperty("machine");
        StringBuilder table = new();
        table.Append(CultureInfo.InvariantCulture, $"[{SpeedResult}]({SpeedResult}): ");
        table.Append(CultureInfo.InvariantCulture,
            $"{machine.GetProperty("threads").GetInt32()} threads, " +
            $"{machine.GetProperty("vectorBits").GetInt32()}-bit vectors, measured limits " +
            $"{machine.GetProperty("fmaPeakGflops").GetDouble():F0} GFLOP/s and " +
            $"{machine.GetProperty("copyGBs").GetDouble():F0} GB/s copy.\n\n");
        table.Append("| op | direction | shape | ms | GFLOP/s | GB/s | of limit | over unfused | ");
        table.Append("over reference |\n");
        table.Append("| --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n");
        foreach (JsonElement row in result.GetProperty("rows").EnumerateArray())
        {
            bool estimated = row.GetProperty("referenceEstimated").GetBoolean();
            table.Append(CultureInfo.InvariantCulture,
                $"| {row.GetProperty("op").GetString()} " +
                $"| {row.GetProperty("direction").GetString()!.ToLowerInvariant()} " +
                $"| {row.GetProperty("shape").GetString()} | {Milliseconds(row)} " +
                $"| {Number(row, "gflops", "0.0;-0.0;–")} | {Number(row, "gbs", "0.0")} " +
                $"| {Number(row, "ofLimit", "0 %")} | {Number(row, "overUnfused", "0.0×")} " +
                $"| {(estimated ? "~" : "")}{Number(row, "overReference", "0×")} |\n");
        }

        table.Append("\n~: the reference was timed on a smaller call and scaled by the work.\n");
        return table.ToString();
    }

    private static string TranslationTable()
    {
        JsonElement training = ResultFiles.Committed.Read("multi30k-train.json");
        JsonElement epoch = ResultFiles.Committed.Read("multi30k-one-epoch.json");
        JsonElement beam = ResultFiles.Committed.Read("multi30k-beam4.json");
        JsonElement greedy = training.GetProperty("validation");
        double minutes = training.GetProperty("seconds").GetDouble() / 60;
        return string.Create(CultureInfo.InvariantCulture,
            $"| Multi30k English–German, validation set | |\n| --- | ---: |\n" +
            $"| epochs | {training.GetProperty("epochs").GetInt32()} |\n" +
            $"| time, on a machine that did other work, too | {minutes:F0} minutes |\n" +
            $"| time of an epoch on two free cores | " +
            $"{epoch.GetProperty("seconds").GetDouble():F0} s |\n" +
            $"| perplexity | {greedy.GetProperty("perplexity").GetDouble():F2} |\n" +
            $"| BLEU, greedy | {greedy.GetProperty("bleu").GetDouble():F1} |\n" +
            $"| BLEU, beam 4 | {beam.GetProperty("bleu").GetDouble():F1} |\n");
    }

    private static string ModelsTable()
    {
        JsonElement training = ResultFiles.Committed.Read("nanogpt-cpu.json");
        JsonElement bench = ResultFiles.Committed.Read("bench-models.json");
        StringBuilder table = new("| model | work | ms | of FMA peak | of read bandwidth | " +
            "outside kernels |\n| --- | --- | ---: | ---: | ---: | ---: |\n");
        foreach (JsonElement row in bench.GetProperty("rows").EnumerateArray())
        {
            string read = row.TryGetProperty("ofRead", out _) ? Number(row, "ofRead", "0 %") : "–";
            table.Append(CultureInfo.InvariantCulture,
                $"| {row.GetProperty("model").GetString()} " +
                $"| {row.GetProperty("work").GetString()}, " +
                $"{row.GetProperty("shape").GetString()} " +
                $"| {Number(row, "ms", "0.0")} | {Number(row, "ofPeak", "0 %")} | {read} " +
                $"| {Number(row, "overhead", "0.0 %")} |\n");
        }

        JsonElement best = Best("nanogpt-cpu.json"), other = Best("nanogpt-cpu-seed1.json");
        table.Append(CultureInfo.InvariantCulture,
            $"\nnanogpt-cpu on tinyshakespeare: validation loss " +
            $"{Number(best, "loss", "0.000")} after {Number(best, "step", "0")} steps of 12 × 64 " +
            $"letters, {Number(training, "seconds", "0")} s; the better of two seeds, the other " +
            $"gave {Number(other, "loss", "0.000")}.\n");
        return table.ToString();
    }

    private static JsonElement Best(string file) => ResultFiles.Committed.Read(file)
        .GetProperty("validations").EnumerateArray()
        .MinBy(v => v.GetProperty("loss").GetDouble());

    private static string PositionsTable()
    {
        JsonElement result = ResultFiles.Committed.Read("position-kinds.json");
        JsonElement[] rows = [.. result.GetProperty("rows").EnumerateArray()];
        JsonElement[] lengths = [.. rows[0].GetProperty("losses").EnumerateArray()];
        StringBuilder table = new("| positions |");
        foreach (JsonElement length in lengths)
            table.Append($" {Number(length, "length", "0")} letters |");
        table.Append("\n| --- |").Insert(table.Length, " ---: |", lengths.Length).Append('\n');
        foreach (JsonElement row in rows)
        {
            string kind = row.GetProperty("kind").GetString()!.ToLowerInvariant();
            table.Append($"| {(kind == "alibi" ? "ALiBi" : kind)} |");
            foreach (JsonElement loss in row.GetProperty("losses").EnumerateArray())
                table.Append($" {Number(loss, "loss", "0.00")} |");
            table.Append('\n');
        }

        return table.ToString();
    }

    private static string Milliseconds(JsonElement row) =>
        Number(row, "ms", row.GetProperty("ms").GetDouble() < 0.01 ? "0.00000" : "0.000");

    private static string Number(JsonElement row, string name, string format) =>
        ResultFiles.Number(row, name, format);

    private static string Root() => ResultFiles.Root();

    [GeneratedRegex(@"(?<open><!-- (?<kind>snippet|table): (?<name>[a-z-]+) -->)\n" +
        @"(?:(?!<!--)[\s\S])*(?<close><!-- /\k<kind> -->)")]
    private static partial Regex Sections();

    [GeneratedRegex(@"\]\((?<target>[^)\s]+)\)")]
    private static partial Regex Links();
}
