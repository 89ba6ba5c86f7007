namespace Transformer.Cli.Tests.Commands;

/// <summary>One model of each kind after a step or two of training, for commands that only look at
/// models.</summary>
public sealed class MapModels : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public MapModels()
    {
        string[] size = ["--width", "16", "--heads", "2", "--steps", "1", "--warmup", "1"];

        // Letters that mean something to HTML, to XML, or to a terminal that shows them.
        string letters = folder.Text("letters.txt",
            [.. Enumerable.Repeat("</script> <b>&\"' 😀\tabc", 30)]);
        Gpt = folder["gpt"];
        CommandLine.Run(["train", "gpt", "--data", letters, "--out", Gpt, "--layers", "2",
            "--positions", "224", "--tokens-per-batch", "224", .. size]).Succeeded();
        Rotary = folder["rotary"];
        CommandLine.Run(["train", "gpt", "--data", letters, "--out", Rotary, "--layers", "1",
            "--positions", "16", "--tokens-per-batch", "32", "--position-kind", "rotary",
            .. size]).Succeeded();
        None = folder["none"];
        CommandLine.Run(["train", "gpt", "--data", letters, "--out", None, "--layers", "1",
            "--positions", "16", "--tokens-per-batch", "32", "--position-kind", "none",
            .. size]).Succeeded();
        string talk = folder.Text("talk.txt", [.. Enumerable.Range(0, 12).SelectMany(
            i => (string[])["the cat meows", "it sleeps now", "then the cat eats", ""])]);
        Bert = folder["bert"];
        CommandLine.Run(["train", "bert", "--data", talk, "--out", Bert, "--layers", "1",
            "--positions", "16", "--tokens-per-batch", "32", .. size]).Succeeded();
        string moods = folder.Text("moods.tsv",
            [.. Enumerable.Range(0, 20).Select(i => i % 2 == 0 ? "a\tthe cat" : "b\tit sleeps")]);
        Classifier = folder["classifier"];
        CommandLine.Run("train", "classifier", "--data", moods, "--base", Bert, "--out",
            Classifier, "--steps", "1").Succeeded();
        string words = folder.Text("words.txt", "one two", "two one");
        Translator = folder["translator"];
        CommandLine.Run(["train", "seq2seq", "--source", words, "--target", words, "--out",
            Translator, "--layers", "2", .. size]).Succeeded();
    }

    public string Gpt { get; }

    public string Rotary { get; }

    public string None { get; }

    public string Bert { get; }

    public string Classifier { get; }

    public string Translator { get; }

    public void Dispose() => folder.Dispose();
}
