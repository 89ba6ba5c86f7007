using System.Collections.Concurrent;
using System.Globalization;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Tests.Fixtures;

/// <summary>
/// One case of the recorded numbers in this folder (README.md lists them): inputs, results and
/// options of a small problem that PyTorch solved in float64.
/// </summary>
public sealed class Fixture
{
    private static readonly ConcurrentDictionary<string, Lazy<SafeTensorsFile>> Opened = new();

    private readonly SafeTensorsFile file;
    private readonly string prefix;

    private Fixture(string name, string @case)
    {
        file = Open(name);
        Name = $"{name}/{@case}";
        prefix = @case + "/";
        if (Names().Length == 0)
            throw new ArgumentException($"Fixture '{name}' has no case '{@case}'; it has " +
                $"{string.Join(", ", CasesOf(name))}.");
    }

    /// <summary>File and case, for messages.</summary>
    public string Name { get; }

    public static string Folder => Path.Combine(AppContext.BaseDirectory, "Fixtures");

    /// <summary>Opens one case, as in <c>Load("layer_norm", "affine")</c>.</summary>
    public static Fixture Load(string name, string @case) => new(name, @case);

    /// <summary>The names of the files that match a pattern such as <c>attention_*</c>.</summary>
    public static string[] Files(string pattern = "*") =>
    [
        .. Directory.GetFiles(Folder, pattern + ".safetensors")
            .Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal),
    ];

    /// <summary>Rows (file, case) for a theory over every case of the matching files.</summary>
    public static TheoryData<string, string> Cases(string pattern)
    {
        TheoryData<string, string> rows = [];
        foreach (string name in Files(pattern))
            foreach (string @case in CasesOf(name)) rows.Add(name, @case);
        if (rows.Count == 0) throw new ArgumentException($"No fixture matches '{pattern}'.");
        return rows;
    }

    /// <summary>The tensors of this case.</summary>
    public string[] Names() =>
    [
        .. file.Tensors.Keys.Where(name => name.StartsWith(prefix, StringComparison.Ordinal))
            .Select(name => name[prefix.Length..]).Order(StringComparer.Ordinal),
    ];

    public bool Has(string name) => file.Tensors.ContainsKey(prefix + name);

    public long[] Shape(string name) => [.. file.Tensors[prefix + name].Shape];

    public DType Type(string name) => file.Tensors[prefix + name].DType!.Value;

    /// <summary>Real numbers, in full precision.</summary>
    public double[] Doubles(string name) =>
        Type(name) == DType.Float64
            ? file.As<double>(prefix + name).ToArray()
            : Array.ConvertAll(Singles(name), x => (double)x);

    /// <summary>Real numbers, rounded to float32; exact for inputs.</summary>
    public float[] Singles(string name) => file.ToSingles(prefix + name);

    public int[] Ints(string name) =>
        Array.ConvertAll(file.As<long>(prefix + name).ToArray(), x => checked((int)x));

    public bool[] Bools(string name) => file.As<bool>(prefix + name).ToArray();

    /// <summary>A tensor of one element, or an option that is a number.</summary>
    public double Scalar(string name) =>
        !Has(name) ? double.Parse(Option(name)!, CultureInfo.InvariantCulture)
        : Type(name) == DType.Int64 ? Ints(name).Single()
        : Doubles(name).Single();

    /// <summary>The text of an option, null where the case does not set it.</summary>
    public string? Option(string name) => file.Metadata.GetValueOrDefault(prefix + name);

    private static string[] CasesOf(string name) =>
    [
        .. Open(name).Tensors.Keys.Select(key => key[..key.IndexOf('/', StringComparison.Ordinal)])
            .Distinct().Order(StringComparer.Ordinal),
    ];

    private static SafeTensorsFile Open(string name) =>
        Opened.GetOrAdd(name, key => new Lazy<SafeTensorsFile>(() =>
            SafeTensorsFile.Open(Path.Combine(Folder, key + ".safetensors")))).Value;
}
