using Transformer.Backends;

namespace Transformer.Benchmarks.Peers;

/// <summary>One small case of each op through the lines of <see cref="PeerProcess"/>, its outputs
/// compared with the reference's.</summary>
internal static class PeerSmoke
{
    // Sums of up to 64 products in binary32; the reference works in double precision.
    private const double Tolerance = 1e-5;

    private const string Attention =
        "\"sizes\":{\"batch\":1,\"heads\":4,\"keyValueHeads\":2,\"queries\":9,\"keys\":9," +
        "\"width\":16,\"causal\":true}";

    private const int Vocabulary = 11;

    private const string Gpt =
        "\"sizes\":{\"layers\":1,\"heads\":2,\"width\":16,\"vocabulary\":11,\"positions\":8," +
        "\"batch\":1,\"tokens\":4,\"past\":3}";

    private static readonly (string Op, string Sizes, (string Name, int[] Dims)[] Inputs)[] Cases =
    [
        ("attention-forward", Attention, [("query", [576]), ("key", [288]), ("value", [288])]),
        ("attention-backward", Attention,
            [("query", [576]), ("key", [288]), ("value", [288]), ("outputGradient", [576])]),
        ("layer-norm", "\"sizes\":{\"rows\":3,\"width\":64,\"residual\":true}",
            [("input", [192]), ("residual", [192]), ("weight", [64]), ("bias", [64])]),
        ("rms-norm", "\"sizes\":{\"rows\":3,\"width\":64,\"residual\":false}",
            [("input", [192]), ("weight", [64])]),
        ("linear", "\"sizes\":{\"rows\":3,\"inputs\":64,\"outputs\":5}",
            [("input", [192]), ("weight", [320]), ("bias", [5])]),
        ("feed-forward",
            "\"sizes\":{\"rows\":3,\"width\":16,\"hidden\":64,\"activation\":\"gelu\"}",
            [("input", [48]), ("weight1", [1024]), ("bias1", [64]), ("weight2", [1024]),
                ("bias2", [16])]),
        ("gpt-prompt", Gpt, [("ids", [1, 4]), .. GptWeights]),
        ("gpt-decode", Gpt, [("ids", [1, 4]), .. GptWeights]),
        ("gpt-train", Gpt, [("ids", [1, 4]), ("labels", [1, 4]), .. GptWeights]),
    ];

    private static (string Name, int[] Dims)[] GptWeights =>
    [
        ("wte.weight", [Vocabulary, 16]), ("wpe.weight", [8, 16]),
        ("h.0.ln_1.weight", [16]), ("h.0.ln_1.bias", [16]),
        ("h.0.attn.c_attn.weight", [16, 48]), ("h.0.attn.c_attn.bias", [48]),
        ("h.0.attn.c_proj.weight", [16, 16]), ("h.0.attn.c_proj.bias", [16]),
        ("h.0.ln_2.weight", [16]), ("h.0.ln_2.bias", [16]),
        ("h.0.mlp.c_fc.weight", [16, 64]), ("h.0.mlp.c_fc.bias", [64]),
        ("h.0.mlp.c_proj.weight", [64, 16]), ("h.0.mlp.c_proj.bias", [16]),
        ("ln_f.weight", [16]), ("ln_f.bias", [16]),
    ];

    /// <summary>Runs all.</summary>
    /// <exception cref="InvalidOperationException">An answer or an output is wrong.</exception>
    public static void Run()
    {
        foreach ((string op, string sizes, (string Name, int[] Dims)[] inputs) in Cases)
        {
            string folder = Directory.CreateTempSubdirectory("transformer-peer-").FullName;
            try
            {
                Random random = new(1);
                foreach ((string name, int[] dims) in inputs)
                {
                    float[] values = new float[dims.Aggregate((product, size) => product * size)];
                    bool whole = name is "ids" or "labels";
                    for (int i = 0; i < values.Length; i++)
                        values[i] = whole ? random.Next(Vocabulary) : random.NextSingle() - 0.5f;
                    PeerCase.Write(folder, name, values);
                }

                string shapes = string.Join(',', inputs.Select(
                    input => $"\"{input.Name}\":[{string.Join(',', input.Dims)}]"));
                File.WriteAllText(Path.Combine(folder, "case.json"),
                    $"{{\"op\":\"{op}\",{sizes},\"shapes\":{{{shapes}}},\"copies\":2}}");
                Check(op, folder);
                Console.WriteLine($"peer {op}: answered");
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    private static void Check(string op, string folder)
    {
        using StringReader requests = new(string.Join('\n', "hello", $"prepare\t{folder}",
            "run\tTransformer\t3", $"write\tTransformer\t{folder}", "release", "nonsense"));
        using StringWriter answers = new();
        PeerProcess.Run(requests, answers);
        string[] lines = answers.ToString().Split(Environment.NewLine);
        bool asExpected = lines is [_, "ok [\"Transformer\"]", _, "ok []", "ok []", _, ""] &&
            lines[0].Contains("\"peer\":\"Transformer\"", StringComparison.Ordinal) &&
            lines[2].StartsWith("ok [", StringComparison.Ordinal) &&
            lines[2].Split(',').Length == 3 &&
            lines[5].StartsWith("error ", StringComparison.Ordinal);
        if (!asExpected) throw new InvalidOperationException($"peer {op} answered {answers}");
        PeerCase work = PeerCase.Open(folder);
        PeerWork reference = PeerWork.Of(work, BackendRegistry.Reference);
        reference.Run();
        foreach ((string name, float[] expected) in reference.Outputs)
            Compare($"{op} {name}", work.Input(name), expected);
    }

    private static void Compare(string name, float[] actual, float[] expected)
    {
        double error = 0, size = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            error += Math.Pow(actual[i] - expected[i], 2);
            size += Math.Pow(expected[i], 2);
        }

        if (!(size > 0 && Math.Sqrt(error / size) <= Tolerance))
        {
            throw new InvalidOperationException(
                $"peer {name}: relative L2 error {Math.Sqrt(error / size):g3}; expected at most " +
                $"{Tolerance:g1}");
        }
    }
}
