using System.IO.Compression;
using System.Runtime.InteropServices;

namespace Transformer.Models.Text.Unicode;

/// <summary>Decompositions, compositions and combining classes of Unicode 14, as
/// <c>make_normalization.py</c> wrote them.</summary>
internal sealed class UnicodeTables
{
    private const uint Compatibility = 1 << 24;
    private const uint Excluded = 1 << 25;
    private const int CodePoint = 0xFFFFFF;

    private readonly Dictionary<int, int[]> _canonical = [];
    private readonly Dictionary<int, int[]> _compatible = [];
    private readonly Dictionary<(int First, int Second), int> _compositions = [];
    private readonly Dictionary<int, byte> _classes = [];
    private readonly bool[] _joins = new bool[0x10000];
    private readonly HashSet<int> _joinsBeyond = [];

    private UnicodeTables()
    {
        ReadOnlySpan<uint> numbers = Read();
        int next = 1;
        for (uint left = numbers[0]; left > 0; left--)
        {
            uint head = numbers[next];
            int length = (int)numbers[next + 1];
            int[] mapping = MemoryMarshal.Cast<uint, int>(
                numbers.Slice(next + 2, length)).ToArray();
            next += 2 + length;
            int code = (int)head & CodePoint;
            if ((head & Compatibility) != 0)
            {
                _compatible.Add(code, mapping);
                continue;
            }
            _canonical.Add(code, mapping);
            if ((head & Excluded) == 0) _compositions.Add((mapping[0], mapping[1]), code);
        }
        for (uint left = numbers[next++]; left > 0; left--, next += 2)
            _classes.Add((int)numbers[next], (byte)numbers[next + 1]);
        FindJoining();
    }

    public static UnicodeTables Instance { get; } = new();

    /// <summary>Canonical combining class; 0 for most code points.</summary>
    public int Class(int code) => _classes.GetValueOrDefault(code);

    /// <summary>The code point that stands for two; false where there is none.</summary>
    public bool TryCompose(int first, int second, out int composed) =>
        _compositions.TryGetValue((first, second), out composed) ||
        Hangul.TryCompose(first, second, out composed);

    /// <summary>Whether a code point may change together with the one before it.</summary>
    public bool Joins(int code) => code < 0x10000 ? _joins[code] : _joinsBeyond.Contains(code);

    /// <summary>Adds what a code point is made of, as far as it can be taken apart.</summary>
    public void Decompose(int code, bool compatible, List<int> into)
    {
        if (Hangul.TryDecompose(code, into)) return;
        if (_canonical.TryGetValue(code, out int[]? parts) ||
            (compatible && _compatible.TryGetValue(code, out parts)))
        {
            foreach (int part in parts) Decompose(part, compatible, into);
            return;
        }
        into.Add(code);
    }

    private void FindJoining()
    {
        HashSet<int> joining = [.. _classes.Keys, .. _compositions.Keys.Select(p => p.Second)];
        joining.UnionWith(Hangul.Seconds);
        foreach (int code in joining) SetJoins(code);
        List<int> parts = [];
        foreach (int code in _canonical.Keys.Concat(_compatible.Keys))
        {
            parts.Clear();
            Decompose(code, compatible: true, parts);
            if (joining.Contains(parts[0])) SetJoins(code);
        }
    }

    private void SetJoins(int code)
    {
        if (code < 0x10000) _joins[code] = true;
        else _joinsBeyond.Add(code);
    }

    private static ReadOnlySpan<uint> Read()
    {
        using Stream resource = typeof(UnicodeTables).Assembly
            .GetManifestResourceStream("Transformer.Models.Text.Unicode.normalization.bin")!;
        using ZLibStream unpacked = new(resource, CompressionMode.Decompress);
        using MemoryStream bytes = new();
        unpacked.CopyTo(bytes);
        byte[] data = bytes.ToArray();
        uint[] numbers = new uint[data.Length / sizeof(uint)];
        for (int i = 0; i < numbers.Length; i++)
        {
            numbers[i] = System.Buffers.Binary.BinaryPrimitives.ReadUInt32LittleEndian(
                data.AsSpan(i * sizeof(uint)));
        }
        return numbers;
    }
}
