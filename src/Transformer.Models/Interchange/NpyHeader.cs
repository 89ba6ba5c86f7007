using System.Globalization;
using Transformer.Tensors;

namespace Transformer.Models.Interchange;

/// <summary>
/// The text header of a .npy file: a Python dictionary of exactly 'descr' (a string),
/// 'fortran_order' (True or False) and 'shape' (a tuple of whole numbers), padded with spaces and
/// ended by a newline (numpy.org, numpy.lib.format).
/// </summary>
internal ref struct NpyHeader
{
    /// <summary>The most axes that NumPy itself reads.</summary>
    public const int MaxRank = 64;

    private readonly ReadOnlySpan<char> text;
    private readonly string path;
    private int at;

    private NpyHeader(string path, ReadOnlySpan<char> text)
    {
        this.path = path;
        this.text = text;
    }

    public string Descr { get; private set; } = "";

    public bool FortranOrder { get; private set; }

    public long[] Shape { get; private set; } = [];

    /// <exception cref="InvalidDataException">The header is malformed.</exception>
    public static NpyHeader Parse(string path, ReadOnlySpan<char> text)
    {
        NpyHeader header = new(path, text);
        header.ReadDictionary();
        return header;
    }

    /// <summary>The element type that a type string names.</summary>
    /// <exception cref="InvalidDataException">There is none.</exception>
    public static DType ParseType(string path, string descr, bool asBFloat16)
    {
        if (descr.StartsWith('>'))
            throw NpyFile.Bad(path, $"big-endian type '{descr}'; save it as little-endian, " +
                $"a.astype('<{descr[1..]}')");
        return descr switch
        {
            "<f4" => DType.Float32,
            "<f8" => DType.Float64,
            "<f2" => DType.Float16,
            "<i4" => DType.Int32,
            "<i8" => DType.Int64,
            "|u1" or "<u1" => DType.UInt8,
            "|b1" or "<b1" => DType.Bool,
            "<u2" when asBFloat16 => DType.BFloat16,
            "<u2" => throw NpyFile.Bad(path,
                "type '<u2', which is read only where it stores bfloat16 bits; ask for that"),
            _ => throw NpyFile.Bad(
                path, $"type '{descr}'; supported are <f4, <f8, <f2, <i4, <i8, " +
                "|u1, |b1, and <u2 for bfloat16 bits"),
        };
    }

    /// <summary>The header's text for a type string and a shape, without its padding.</summary>
    public static string Build(string descr, ReadOnlySpan<long> shape)
    {
        string axes = string.Join(", ", shape.ToArray());
        string tuple = shape.Length == 1 ? $"({axes},)" : $"({axes})";
        return $"{{'descr': '{descr}', 'fortran_order': False, 'shape': {tuple}, }}";
    }

    /// <summary>The type string under which an element type is stored.</summary>
    public static string TypeString(DType dtype) => dtype switch
    {
        DType.Float32 => "<f4",
        DType.Float64 => "<f8",
        DType.Float16 => "<f2",
        DType.BFloat16 => "<u2",
        DType.Int32 => "<i4",
        DType.Int64 => "<i8",
        DType.UInt8 => "|u1",
        DType.Bool => "|b1",
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Unknown element type."),
    };

    private void ReadDictionary()
    {
        bool descr = false, order = false, shape = false;
        Expect('{');
        while (!TryTake('}'))
        {
            string key = ReadString();
            Expect(':');
            bool fresh = key switch
            {
                "descr" => !descr && (descr = true),
                "fortran_order" => !order && (order = true),
                "shape" => !shape && (shape = true),
                _ => throw Malformed($"unknown key '{key}'"),
            };
            if (!fresh) throw Malformed($"key '{key}' twice");
            if (key == "descr") Descr = ReadString();
            else if (key == "fortran_order") FortranOrder = ReadBoolean();
            else Shape = ReadTuple();
            if (!TryTake(','))
            {
                Expect('}');
                break;
            }
        }
        if (!(descr && order && shape))
            throw Malformed("a key is missing; expected descr, fortran_order and shape");
        SkipSpace();
        if (at < text.Length) throw Malformed($"unexpected text at character {at}");
    }

    private string ReadString()
    {
        SkipSpace();
        if (at >= text.Length || text[at] is not ('\'' or '"'))
            throw Malformed($"expected a string at character {at}");
        char quote = text[at++];
        int length = text[at..].IndexOf(quote);
        if (length < 0) throw Malformed($"a string without end at character {at}");
        if (length > 64) throw Malformed($"a string of {length} characters at character {at}");
        string value = text.Slice(at, length).ToString();
        if (value.AsSpan().ContainsAnyExceptInRange(' ', '~'))
            throw Malformed($"a string with control characters at character {at}");
        at += length + 1;
        return value;
    }

    private bool ReadBoolean()
    {
        SkipSpace();
        ReadOnlySpan<char> rest = text[at..];
        bool value = rest.StartsWith("True");
        if (!value && !rest.StartsWith("False"))
            throw Malformed($"expected True or False at character {at}");
        at += value ? 4 : 5;
        return value;
    }

    private long[] ReadTuple()
    {
        List<long> axes = [];
        Expect('(');
        while (!TryTake(')'))
        {
            SkipSpace();
            int length = text[at..].IndexOfAnyExceptInRange('0', '9');
            if (length <= 0) throw Malformed($"expected a whole number at character {at}");
            if (!long.TryParse(text.Slice(at, length), NumberStyles.None,
                CultureInfo.InvariantCulture, out long axis))
                throw Malformed($"an axis passes 2⁶³ at character {at}");
            axes.Add(axis);
            if (axes.Count > MaxRank) throw Malformed($"more than {MaxRank} axes");
            at += length;
            if (!TryTake(','))
            {
                Expect(')');
                // Python reads (3) as a number; only (3,) is a tuple.
                if (axes.Count == 1) throw Malformed("shape is a number; expected a tuple");
                break;
            }
        }
        return [.. axes];
    }

    private void Expect(char wanted)
    {
        if (!TryTake(wanted)) throw Malformed($"expected '{wanted}' at character {at}");
    }

    private bool TryTake(char wanted)
    {
        SkipSpace();
        if (at >= text.Length || text[at] != wanted) return false;
        at++;
        return true;
    }

    private void SkipSpace()
    {
        while (at < text.Length && text[at] is ' ' or '\t' or '\n' or '\r') at++;
    }

    private readonly InvalidDataException Malformed(string what) =>
        NpyFile.Bad(path, $"header: {what}");
}
