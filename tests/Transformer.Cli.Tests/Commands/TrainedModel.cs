namespace Transformer.Cli.Tests.Commands;

/// <summary>A model that knows six sentences by heart, trained by the command line.</summary>
public sealed class TrainedModel : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public static IReadOnlyList<(string Source, string Target)> Pairs { get; } =
    [
        ("a red cat", "eine rote Katze"), ("a red dog", "ein roter Hund"),
        ("a big cat", "eine grosse Katze"), ("a big dog", "ein grosser Hund"),
        ("the cat sleeps", "die Katze schläft"), ("the dog sleeps", "der Hund schläft"),
    ];

    public TrainedModel()
    {
        Source = folder.Text("source.txt", [.. Pairs.Select(p => p.Source)]);
        Target = folder.Text("target.txt", [.. Pairs.Select(p => p.Target)]);
        Folder = folder["model"];
        Training = CommandLine.Run(
            "train", "seq2seq", "--source", Source, "--target", Target, "--valid-source", Source,
            "--valid-target", Target, "--out", Folder, "--layers", "1", "--width", "32",
            "--heads", "2", "--dropout", "0", "--max-positions", "16", "--steps", "120",
            "--learning-rate", "5e-3", "--schedule", "constant", "--warmup", "10",
            "--label-smoothing", "0", "--validate-every", "40", "--bleu-every", "1",
            "--checkpoint-every", "40", "--json", folder["result.json"]);
        Json = File.Exists(folder["result.json"]) ? File.ReadAllText(folder["result.json"]) : "";
    }

    public string Source { get; }

    public string Target { get; }

    public string Folder { get; }

    public CommandResult Training { get; }

    public string Json { get; }

    public void Dispose() => folder.Dispose();
}
