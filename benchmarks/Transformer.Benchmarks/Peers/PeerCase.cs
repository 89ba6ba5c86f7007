using System.Runtime.InteropServices;
using System.Text.Json;

namespace Transformer.Benchmarks.Peers;

/// <summary>One case of benchmarks/peers: a folder with case.json and a file of raw binary32
/// numbers for each input.</summary>
internal sealed class PeerCase
{
    private readonly string folder;
    private readonly JsonElement root;

    private PeerCase(string folder, JsonElement root)
    {
        this.folder = folder;
        this.root = root;
    }

    /// <summary>attention-forward, layer-norm and so on.</summary>
    public string Op => root.GetProperty("op").GetString()!;

    /// <summary>Instances of the inputs that calls take in turns, so that what is larger than the
    /// caches stays larger.</summary>
    public int Copies => root.GetProperty("copies").GetInt32();

    /// <summary>Dimensions of each input, by name.</summary>
    public IEnumerable<(string Name, long[] Dims)> Shapes => root.GetProperty("shapes")
        .EnumerateObject().Select(input => (input.Name,
            (long[])[.. input.Value.EnumerateArray().Select(size => size.GetInt64())]));

    public static PeerCase Open(string folder)
    {
        using FileStream stream = File.OpenRead(Path.Combine(folder, "case.json"));
        using JsonDocument document = JsonDocument.Parse(stream);
        return new(folder, document.RootElement.Clone());
    }

    public int Size(string name) => Sizes(name).GetInt32();

    public bool Flag(string name) => Sizes(name).GetBoolean();

    public string Text(string name) => Sizes(name).GetString()!;

    /// <summary>A new array of an input.</summary>
    public float[] Input(string name)
    {
        string file = Path.Combine(folder, name + ".f32");
        float[] values = new float[new FileInfo(file).Length / sizeof(float)];
        using FileStream stream = File.OpenRead(file);
        stream.ReadExactly(MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    public static void Write(string folder, string name, float[] values) => File.WriteAllBytes(
        Path.Combine(folder, name + ".f32"), MemoryMarshal.AsBytes(values.AsSpan()));

    private JsonElement Sizes(string name) => root.GetProperty("sizes").GetProperty(name);
}
