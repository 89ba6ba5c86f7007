using System.Text;
using System.Text.Json;

namespace Transformer.Cli.Tests.Readme;

/// <summary>What the kernels are to reach, and what the committed results say.</summary>
internal sealed class TargetsTable
{
    private const string OnnxRuntime = "ONNX Runtime", PyTorch = "PyTorch", LlmC = "llm.c";

    // The peak of the machine for which the time of a training step was set.
    private const double ReferenceGflops = 430;

    private readonly ResultFiles results;
    private readonly PeerRow[] peers;
    private readonly List<Row> rows = [];

    private TargetsTable(ResultFiles results)
    {
        this.results = results;
        peers = PeerRow.All(results);
    }

    private readonly record struct Row(string Work, string Target, string? Measured, bool Met);

    /// <summary>The table; rows that nobody has measured say so.</summary>
    /// <param name="results">What counts.</param>
    /// <param name="again">The same measured once more, for the spread.</param>
    public static string Of(ResultFiles results, ResultFiles again)
    {
        StringBuilder table = new("| work | target | measured | met | again |\n" +
            "| --- | --- | --- | --- | --- |\n");
        foreach ((Row row, Row other) in All(results).Zip(All(again)))
        {
            string met = row.Measured is null ? "–"
                : other.Measured is not null && row.Met != other.Met ? "in one run"
                : row.Met ? "yes" : "no";
            table.Append($"| {row.Work} | {row.Target} | {row.Measured ?? "not measured yet"} " +
                $"| {met} | {other.Measured ?? "–"} |\n");
        }

        return table.ToString();
    }

    private static List<Row> All(ResultFiles results)
    {
        TargetsTable targets = new(results);
        targets.Attention();
        targets.Decoding();
        targets.Rows();
        targets.Models();
        targets.Process();
        return targets.rows;
    }

    private void Attention()
    {
        PeerRow[] forward = [.. peers.Where(row => row.Op == "attention forward")];
        PeerRow[] full = [.. forward.Where(row => !row.IsCausal)];
        PeerRow[] causal = [.. forward.Where(row => row.IsCausal)];
        PeerRow[] backward = [.. peers.Where(row => row.Op == "attention backward")];
        Share("attention forward, S ≥ 1024, D 64 and 128", 0.8, "FMA peak", Long(full));
        Ratio("the same, S to 2048", 1.3, OnnxRuntime,
            Long(full).Where(row => row.Queries <= 2048));
        Ratio("the same, S 4096", 1.1, OnnxRuntime, full.Where(row => row.Queries > 2048));
        Share("causal attention forward, S ≥ 1024, needed work", 0.75, "FMA peak", Long(causal));
        Ratio("the same", 3, OnnxRuntime, Long(causal));
        Ratio("attention forward, S 128 and 512, full and causal", 1.5, OnnxRuntime,
            forward.Where(row => row.Queries <= 512));
        Share("attention backward", 0.65, "FMA peak", backward);
        Ratio("the same, unfused", 2, PyTorch, backward);
    }

    private void Decoding()
    {
        Share("decode, 1 query, 4096 to 32,768 keys, 4 query heads a key head", 0.85,
            "read bandwidth", peers.Where(row => row.Op == "attention decode"));
        double[] costs = results.Find("attention-costs.json") is not { } file ? []
            : [.. file.GetProperty("ratios").EnumerateArray()
                .Where(ratio => ResultFiles.Value(ratio, "visibleTiles") is not null)
                .Select(ratio => ratio.GetProperty("ratio").GetDouble() /
                    ratio.GetProperty("visibleTiles").GetDouble())];
        Add("sliding window, block-sparse, packed lengths: time over visible tiles",
            "within 15 %", costs, Range(costs, "0.00×"), worst => worst.Max() <= 1.15);
        JsonElement[] lengths = results.Find("scaling.json") is not { } scaling ? []
            : [.. scaling.GetProperty("scaling").GetProperty("curves").EnumerateArray()
                .Where(curve => curve.GetProperty("axis").GetString() == "length")];
        double[] slopes = [.. lengths.Select(curve => curve.GetProperty("memorySlopes")
            .EnumerateArray().Last()).Where(slope => slope.ValueKind == JsonValueKind.Number)
            .Select(slope => slope.GetDouble())];
        Add("memory of attention to S 32,768, forward and backward", "grows as S", slopes,
            $"{Range(slopes.Select(slope => Math.Pow(2, slope)), "0.00×")} for twice the length",
            all => all.Max() <= 1.1);
    }

    private void Rows()
    {
        Share("LayerNorm, RMSNorm, with and without residual, out of cache", 0.9,
            "copy bandwidth", peers.Where(row => row.Op.Contains("-norm")));
        double[] backward = results.Find("bench-large.json") is not { } bench ? []
            : [.. bench.GetProperty("rows").EnumerateArray()
                .Where(row => row.GetProperty("op").GetString() is "LayerNorm" or "RmsNorm" &&
                    row.GetProperty("direction").GetString() == "Backward" &&
                    row.GetProperty("dtype").GetString() == "Float32" &&
                    ResultFiles.Value(row, "copies") > 1)
                .Select(row => row.GetProperty("gbs").GetDouble() /
                    bench.GetProperty("machine").GetProperty("copyGBs").GetDouble())];
        Add("the same, backward", "≥ 80 % of copy bandwidth", backward, Range(backward, "0 %"),
            all => all.Min() >= 0.8);
        PeerRow[] products =
            [.. peers.Where(row => row.Op == "linear" || row.Op.StartsWith("feed-forward"))];
        Share("Linear, GELU feed-forward, 512 tokens", 0.85, "FMA peak", products);
        Ratio("the same", 1.2, OnnxRuntime, products);
    }

    private void Models()
    {
        JsonElement? models = results.Find("bench-models.json");
        double peak = models is { } file
            ? file.GetProperty("machine").GetProperty("fmaPeakGflops").GetDouble() : double.NaN;
        double[] Of(string model, string work, string figure) => models is not { } measured ? []
            : [.. measured.GetProperty("rows").EnumerateArray()
                .Where(row => row.GetProperty("model").GetString() == model &&
                    row.GetProperty("work").GetString() == work)
                .Select(row => ResultFiles.Value(row, figure)).OfType<double>()];

        double[] step = Of("gpt2", "training step", "ms");
        double[] share = Of("gpt2", "training step", "ofPeak");
        double[] seconds = [.. step.Select(ms => ms / 1000 * peak / ReferenceGflops)];
        Add("GPT-2 124M training step, B4 T64", "≤ 0.7 s at 430 GFLOP/s", seconds,
            $"{Range(step.Select(ms => ms / 1000), "0.00")} s at {ResultFiles.Text(peak, "0")} " +
            $"GFLOP/s, {Range(share, "0 %")} of it; {Range(seconds, "0.00")} s at 430",
            all => all.Max() <= 0.7);
        Ratio("the same", 5, LlmC, peers.Where(row => row.Op == "GPT-2 124M train"));
        double[] overhead = Of("gpt2", "training step", "overhead");
        Add("the same: time outside kernels", "< 2 %", overhead, Range(overhead, "0.00 %"),
            all => all.Max() < 0.02);
        double[] decode = Of("gpt2", "greedy decode", "ofRead");
        Add("GPT-2 124M greedy decode, over the weights", "≥ 85 % of read bandwidth", decode,
            Range(decode, "0 %"), all => all.Min() >= 0.85);
        Ratio("nanoGPT's small configuration, training step", 3, PyTorch,
            peers.Where(row => row.Op == "nanoGPT small train"));
        double[] loss = results.Find("nanogpt-cpu.json") is { } run &&
            run.GetProperty("validations").EnumerateArray().Last() is JsonElement validation &&
            ResultFiles.Value(validation, "loss") is { } value ? [value] : [];
        Add("the same, validation loss after 2000 steps, better of two seeds", "≤ 1.88", loss,
            Range(loss, "0.00"), all => all.Max() <= 1.88);
    }

    private void Process()
    {
        double[] bytes = [.. new[] { "bench-base.json", "bench-large.json" }
            .Select(results.Find).OfType<JsonElement>()
            .SelectMany(file => file.GetProperty("rows").EnumerateArray())
            .Select(row => ResultFiles.Value(row, "allocatedBytes")).OfType<double>()];
        Add("managed allocation of a call, every op", "0 bytes", bytes,
            $"{Range(bytes, "0")} bytes", all => all.Max() == 0);
        double[] threads = results.Find("work-split.json") is not { } split ? []
            : [.. split.GetProperty("rows").EnumerateArray()
                .Where(row => !row.GetProperty("memoryBound").GetBoolean())
                .Select(row => row.GetProperty("twoThreads").GetDouble())];
        Add("two threads over one, ops bound by arithmetic", "≥ 1.9×", threads,
            Range(threads, "0.00×"), all => all.Min() >= 1.9);
        double[] first = results.Find("scaling.json") is { } scaling &&
            ResultFiles.Value(scaling.GetProperty("scaling"), "firstResultMs") is { } ms ? [ms]
            : [];
        Add("first attention result of a new process", "≤ 150 ms", first,
            $"{Range(first, "0")} ms", all => all.Max() <= 150);
    }

    private static IEnumerable<PeerRow> Long(IEnumerable<PeerRow> rows) =>
        rows.Where(row => row.Queries >= 1024);

    private void Share(string work, double least, string limit, IEnumerable<PeerRow> rows)
    {
        double[] shares = [.. rows.Select(row => row.OfLimit).OfType<double>()];
        Add(work, $"≥ {ResultFiles.Text(least, "0 %")} of {limit}", shares, Range(shares, "0 %"),
            all => all.Min() >= least);
    }

    private void Ratio(string work, double least, string peer, IEnumerable<PeerRow> rows)
    {
        double[] ratios = [.. rows.Select(row => row.Ratio(peer)).OfType<double>()];
        Add(work, $"≥ {ResultFiles.Text(least, "0.#")}× {peer}", ratios, Range(ratios, "0.00×"),
            all => all.Min() >= least);
    }

    private void Add(
        string work, string target, double[] figures, string measured, Func<double[], bool> met)
    {
        bool any = figures.Length > 0;
        rows.Add(new(work, target, any ? measured : null, any && met(figures)));
    }

    /// <summary>The least and the most, or the one.</summary>
    private static string Range(IEnumerable<double> figures, string format)
    {
        string[] ends = [.. figures.Order().Select(figure => ResultFiles.Text(figure, format))];
        return ends.Length == 0 ? "" : ends[0] == ends[^1] ? ends[0] : $"{ends[0]} to {ends[^1]}";
    }
}
