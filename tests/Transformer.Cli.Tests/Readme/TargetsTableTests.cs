namespace Transformer.Cli.Tests.Readme;

public sealed class TargetsTableTests
{
    [Fact]
    public void Rows_SayWhatWasMeasuredAndWhetherItIsEnough()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(Path.Combine(folder.Path, "peers.json"), """
            {"rows": [
              {"op": "attention forward", "shape": "S1024", "ofLimit": 0.81, "ms": {"median": 10},
               "sizes": {"queries": 1024, "causal": false}, "others": [
                 {"peer": "ONNX Runtime", "variant": "slow", "ms": {"median": 30}},
                 {"peer": "ONNX Runtime", "variant": "fast", "ms": {"median": 12}},
                 {"peer": "PyTorch", "cannot": "no such op"}]},
              {"op": "attention forward", "shape": "S4096", "ofLimit": 0.79, "ms": {"median": 10},
               "sizes": {"queries": 4096, "causal": false}, "others": [
                 {"peer": "ONNX Runtime", "variant": "fast", "ms": {"median": 11.5}}]},
              {"op": "nanoGPT small train", "shape": "batch 12", "ofLimit": null, "ms": null,
               "sizes": {}, "others": [
                 {"peer": "PyTorch", "variant": "addmm", "ms": {"median": 60}}]}]}
            """);
        Directory.CreateDirectory(folder["again"]);
        File.WriteAllText(Path.Combine(folder["again"], "work-split.json"), """
            {"rows": [{"memoryBound": false, "twoThreads": 1.95},
                      {"memoryBound": true, "twoThreads": 1.2}]}
            """);
        string[] lines =
            TargetsTable.Of(new(folder.Path), new(folder["again"])).Split('\n');

        Assert.Contains("| attention forward, S ≥ 1024, D 64 and 128 | ≥ 80 % of FMA peak | " +
            "79 % to 81 % | no | – |", lines);
        // The peer's fastest way counts.
        Assert.Contains("| the same, S to 2048 | ≥ 1.3× ONNX Runtime | 1.20× | no | – |", lines);
        Assert.Contains("| the same, S 4096 | ≥ 1.1× ONNX Runtime | 1.15× | yes | – |", lines);
        // Ours is missing: nothing was measured.
        Assert.Contains("| nanoGPT's small configuration, training step | ≥ 3× PyTorch | " +
            "not measured yet | – | – |", lines);
        Assert.Contains("| first attention result of a new process | ≤ 150 ms | " +
            "not measured yet | – | – |", lines);
        Assert.Contains("| two threads over one, ops bound by arithmetic | ≥ 1.9× | " +
            "not measured yet | – | 1.95× |", lines);
    }
}
