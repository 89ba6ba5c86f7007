using Transformer.Models.Graph;
using Transformer.Models.Interchange;

namespace Transformer.Models.Tests.HuggingFace;

/// <summary>A model of make_models.py: its folder, and what PyTorch computed with it.</summary>
internal sealed class ForeignModel : IDisposable
{
    /// <summary>What the project promises for logits of imported models.</summary>
    public const double Tolerance = 1e-4;

    private readonly SafeTensorsFile expected;

    public ForeignModel(string name)
    {
        Folder = Path.Combine(AppContext.BaseDirectory, "HuggingFace", name);
        expected = SafeTensorsFile.Open(Path.Combine(Folder, "expected.safetensors"));
    }

    public string Folder { get; }

    public IEnumerable<string> Names => expected.Tensors.Keys;

    public int[] Ints(string name) =>
        Array.ConvertAll(expected.As<long>(name).ToArray(), x => checked((int)x));

    public double[] Doubles(string name) => expected.As<double>(name).ToArray();

    /// <summary>Compares an output of a graph with the recorded numbers, absolutely.</summary>
    public void AssertOutput(
        CompiledGraph graph, string output, string name, double tolerance = Tolerance)
    {
        double[] numbers = Doubles(name);
        float[] actual = new float[numbers.Length];
        graph.Fetch<float>(output, actual);
        for (int i = 0; i < actual.Length; i++)
        {
            Assert.True(Math.Abs(actual[i] - numbers[i]) <= tolerance,
                $"{output}[{i}] is {actual[i]:R}; PyTorch has {numbers[i]:R}");
        }
    }

    /// <summary>A copy whose files a test may damage.</summary>
    public string CopyTo(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.EnumerateFiles(Folder))
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        return folder;
    }

    public void Dispose() => expected.Dispose();
}
