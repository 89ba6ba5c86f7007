using System.Buffers.Binary;
using System.Text;

namespace Transformer.Models.Text;

/// <summary>A piece of a SentencePiece model.</summary>
/// <param name="Text">Its characters, spaces as ▁.</param>
/// <param name="Score">Its log probability.</param>
/// <param name="IsText">Whether text can be cut into it; false for control and unknown tokens.
/// </param>
internal readonly record struct SentencePiece(string Text, double Score, bool IsText);

/// <summary>A file of SentencePiece's own (*.spm, *.model) with a unigram model: a message
/// ModelProto in the wire format of Protocol Buffers.</summary>
/// <remarks>Fields are those of sentencepiece_model.proto; unknown ones are passed over. The
/// normalization is taken by its name, not from the compiled table that the file carries.</remarks>
internal sealed class SentencePieceFile
{
    // Of ModelProto, SentencePiece, TrainerSpec and NormalizerSpec.
    private const int Pieces = 1, Trainer = 2, Normalizer = 3;
    private const int PieceText = 1, PieceScore = 2, PieceType = 3;
    private const int ModelType = 3, SplitByWhitespace = 22, WhitespaceAsSuffix = 24,
        ByteFallback = 35;
    private const int NormalizerName = 1, DummyPrefix = 3, RemoveSpaces = 4, EscapeSpaces = 5;

    private const long Unigram = 1;
    private const long Normal = 1, UserDefined = 4;

    private readonly string path;
    private readonly List<SentencePiece> pieces = [];
    private string normalization = "nmt_nfkc";

    private SentencePieceFile(string path) => this.path = path;

    /// <summary>By id.</summary>
    public IReadOnlyList<SentencePiece> All => pieces;

    /// <summary>How text is cut before pieces are looked for.</summary>
    public UnigramFileOptions Options { get; private set; } = null!;

    /// <summary>Reads a file.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or no unigram model as this library
    /// reads them; the message names the file.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static SentencePieceFile Open(string path)
    {
        SentencePieceFile file = new(path);
        file.Read(TextFiles.ReadBytes(path, "SentencePiece model"));
        return file;
    }

    private void Read(byte[] bytes)
    {
        bool splitsWords = true, removesSpaces = true;
        foreach (Field field in Fields(bytes))
        {
            if (field.Number == Pieces) ReadPiece(field.Bytes);
            if (field.Number == Trainer) splitsWords = ReadTrainer(field.Bytes);
            if (field.Number == Normalizer) removesSpaces = ReadNormalizer(field.Bytes);
        }

        Require(pieces.Count > 0, "holds no pieces; expected a SentencePiece model.");
        Options = new(
            new()
            {
                CleanSeparators = normalization.StartsWith("nmt_", StringComparison.Ordinal),
                Form = normalization == "identity" ? null : NormalizationForm.FormKC,
                Lowercase = normalization.EndsWith("_cf", StringComparison.Ordinal),
                CollapseSpaces = removesSpaces,
                Trim = removesSpaces,
            },
            ByteFallback: false, splitsWords);
    }

    private void ReadPiece(ReadOnlyMemory<byte> bytes)
    {
        string? text = null;
        double score = 0;
        long type = Normal;
        foreach (Field field in Fields(bytes))
        {
            if (field.Number == PieceText) text = Text(field);
            if (field.Number == PieceScore && field.Kind == 5) score = field.Single;
            if (field.Number == PieceType) type = field.Value;
        }

        Require(!string.IsNullOrEmpty(text), $"has piece {pieces.Count} without text.");
        Require(double.IsFinite(score), $"has piece {pieces.Count}, '{text}', of score {score}.");
        pieces.Add(new(text!, score, type is Normal or UserDefined));
    }

    private bool ReadTrainer(ReadOnlyMemory<byte> bytes)
    {
        bool splitsWords = true;
        foreach (Field field in Fields(bytes))
        {
            switch (field.Number)
            {
                case ModelType:
                    Require(field.Value == Unigram,
                        $"is a model of type {field.Value}; expected 1, unigram.");
                    break;
                case SplitByWhitespace: splitsWords = field.Value != 0; break;
                case WhitespaceAsSuffix:
                    Require(field.Value == 0, "has spaces behind words, which is not supported.");
                    break;
                case ByteFallback:
                    Require(field.Value == 0, "spells in bytes, which is not supported here.");
                    break;
            }
        }

        return splitsWords;
    }

    private bool ReadNormalizer(ReadOnlyMemory<byte> bytes)
    {
        bool removesSpaces = true;
        foreach (Field field in Fields(bytes))
        {
            switch (field.Number)
            {
                case NormalizerName: normalization = Text(field); break;
                case RemoveSpaces: removesSpaces = field.Value != 0; break;
                case DummyPrefix or EscapeSpaces:
                    Require(field.Value != 0, "does not mark the space before a text with ▁, " +
                        "which is not supported.");
                    break;
            }
        }

        string[] known = ["nmt_nfkc", "nfkc", "nmt_nfkc_cf", "nfkc_cf", "identity"];
        Require(known.Contains(normalization), $"has normalization '{normalization}'; expected " +
            $"one of {string.Join(", ", known)}.");
        return removesSpaces;
    }

    private string Text(Field field)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(field.Bytes.Span);
        }
        catch (DecoderFallbackException)
        {
            throw Error("holds text that is no valid UTF-8.");
        }
    }

    // One field of a message: a number, four bytes or a run of bytes.
    private readonly record struct Field(
        int Number, int Kind, long Value, ReadOnlyMemory<byte> Bytes)
    {
        public float Single => BinaryPrimitives.ReadSingleLittleEndian(Bytes.Span);
    }

    private IEnumerable<Field> Fields(ReadOnlyMemory<byte> bytes)
    {
        for (int at = 0; at < bytes.Length;)
        {
            ulong key = Varint(bytes.Span, ref at);
            int kind = (int)(key & 7), size = 0;
            long value = 0;
            switch (kind)
            {
                case 0: value = (long)Varint(bytes.Span, ref at); break;
                case 1: size = 8; break;
                case 2:
                    ulong length = Varint(bytes.Span, ref at);
                    Require(length <= (ulong)(bytes.Length - at), "is cut off.");
                    size = (int)length;
                    break;
                case 5: size = 4; break;
                default: throw Error("is damaged, or no SentencePiece model.");
            }

            Require(size <= bytes.Length - at, "is cut off.");
            Require(key >> 3 is > 0 and <= int.MaxValue, "is damaged, or no SentencePiece model.");
            yield return new((int)(key >> 3), kind, value, bytes.Slice(at, size));
            at += size;
        }
    }

    private ulong Varint(ReadOnlySpan<byte> bytes, ref int at)
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            Require(at < bytes.Length, "is cut off.");
            byte part = bytes[at++];
            value |= (ulong)(part & 0x7F) << shift;
            if (part < 0x80) return value;
        }

        throw Error("is damaged, or no SentencePiece model.");
    }

    private void Require(bool holds, string fault)
    {
        if (!holds) throw Error(fault);
    }

    private InvalidDataException Error(string fault) =>
        new($"SentencePiece model '{path}' {fault} Use the file that came with the model.");
}
