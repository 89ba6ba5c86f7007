using System.Buffers.Binary;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Transformer.Models.Interchange;
using Transformer.Models.Text;

namespace Transformer.Models.Word2Vec;

/// <content>Files in the two forms of the word2vec program, which gensim shares, and fastText's
/// *.vec: a line with V and D, then for each word its name, a space and D numbers, as text or, in
/// files *.bin, as binary32. fastText's *.bin is another form.</content>
public sealed partial class WordVectors
{
    private const string BinarySuffix = ".bin";
    private const int MostWidth = 1 << 16;

    /// <summary>Writes a file beside its place and renames it.</summary>
    /// <param name="path">Binary if it ends in .bin, else text.</param>
    /// <exception cref="IOException">It cannot be written; what was there stays.</exception>
    public void Save(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        AtomicFile.Write(path, stream =>
        {
            BufferedStream buffer = new(stream, 1 << 16);
            Write(buffer, Header());
            for (int i = 0; i < words.Length; i++)
            {
                Write(buffer, words[i] + (IsBinary(path) ? " " : ""));
                if (IsBinary(path)) WriteBinary(buffer, Vector(i));
                else foreach (float x in Vector(i)) Write(buffer, " " + Text(x));
                buffer.WriteByte((byte)'\n');
            }

            buffer.Flush();
        });
    }

    /// <summary>Reads a file that this class, word2vec or gensim wrote, or a *.vec of fastText.
    /// </summary>
    /// <param name="path">Binary if it ends in .bin, else text.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">It is damaged or cut off; the message names file and
    /// word.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static WordVectors Load(string path)
    {
        byte[] bytes = TextFiles.ReadBytes(path, "file of word vectors");
        Reader reader = new(path, bytes);
        (int count, int width) = reader.Header();
        string[] words = new string[count];
        float[] vectors = new float[(long)count * width];
        HashSet<string> seen = new(count, StringComparer.Ordinal);
        for (int i = 0; i < count; i++)
        {
            words[i] = reader.Word(i);
            if (words[i].Any(char.IsWhiteSpace))
                throw reader.Error($"has white space in the word '{words[i].Trim()}'.");
            if (!seen.Add(words[i])) throw reader.Error($"has the word '{words[i]}' twice.");
            Span<float> row = vectors.AsSpan(i * width, width);
            if (IsBinary(path)) reader.Binary(row, words[i]);
            else reader.Text(row, words[i]);
        }

        reader.RequireEnd(count);
        return new(words, vectors);
    }

    private static bool IsBinary(string path) =>
        path.EndsWith(BinarySuffix, StringComparison.OrdinalIgnoreCase);

    private string Header() => string.Create(
        CultureInfo.InvariantCulture, $"{words.Length} {Width}\n");

    private static string Text(float value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static void Write(Stream stream, string text) =>
        stream.Write(Encoding.UTF8.GetBytes(text));

    private static void WriteBinary(Stream stream, ReadOnlySpan<float> vector)
    {
        if (BitConverter.IsLittleEndian)
        {
            stream.Write(MemoryMarshal.AsBytes(vector));
            return;
        }

        Span<byte> four = stackalloc byte[sizeof(float)];
        foreach (float x in vector)
        {
            BinaryPrimitives.WriteSingleLittleEndian(four, x);
            stream.Write(four);
        }
    }

    /// <summary>Goes through a file's bytes.</summary>
    private sealed class Reader(string path, byte[] bytes)
    {
        private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

        private int at;

        public (int Count, int Width) Header()
        {
            int end = bytes.AsSpan().IndexOf((byte)'\n');
            string[] parts = end < 0 ? [] : Decode(bytes.AsSpan(0, end), "its first line")
                .Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            int count = 0, width = 0;
            bool isHeader = parts.Length == 2 && Number(parts[0], out count)
                && Number(parts[1], out width);
            if (!isHeader) throw Error("does not begin with the number of words and their width.");
            // Each number takes two bytes or more, in either form.
            if (width > MostWidth || (long)count * width > bytes.Length / 2)
            {
                throw Error($"is cut off: it tells of {count} words of width {width}, and has " +
                    $"{bytes.Length} bytes.");
            }

            at = end + 1;
            return (count, width);
        }

        public string Word(int index)
        {
            while (at < bytes.Length && bytes[at] is (byte)'\n' or (byte)'\r') at++;
            int length = bytes.AsSpan(at).IndexOf((byte)' ');
            if (length < 1)
            {
                throw Error(string.Create(
                    CultureInfo.InvariantCulture, $"is cut off before word {index + 1}."));
            }

            string word = Decode(bytes.AsSpan(at, length), string.Create(
                CultureInfo.InvariantCulture, $"word {index + 1}"));
            at += length + 1;
            return word;
        }

        public void Binary(Span<float> row, string word)
        {
            if (bytes.Length - at < row.Length * sizeof(float))
                throw Error($"is cut off in the vector of '{word}'.");
            for (int i = 0; i < row.Length; i++, at += sizeof(float))
                row[i] = Finite(BinaryPrimitives.ReadSingleLittleEndian(bytes.AsSpan(at)), word);
        }

        public void Text(Span<float> row, string word)
        {
            int length = bytes.AsSpan(at).IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = bytes.AsSpan(at, length < 0 ? bytes.Length - at : length);
            at += line.Length;
            int read = 0;
            foreach (Range range in line.Split((byte)' '))
            {
                ReadOnlySpan<byte> part = line[range].Trim("\r\t"u8);
                if (part.IsEmpty) continue;
                bool isNumber = float.TryParse(
                    part, NumberStyles.Float, CultureInfo.InvariantCulture, out float value);
                if (!isNumber || read == row.Length)
                    throw Error($"has a vector of '{word}' that is no {row.Length} numbers.");
                row[read++] = Finite(value, word);
            }

            if (read < row.Length)
                throw Error($"has {read} numbers for '{word}'; expected {row.Length}.");
        }

        public void RequireEnd(int count)
        {
            if (!bytes.AsSpan(at).Trim("\r\n "u8).IsEmpty)
                throw Error($"goes on after the {count} words that its first line tells of.");
        }

        public InvalidDataException Error(string fault) => new(
            $"Word vectors '{path}': the file {fault} Use one in word2vec's form; files of " +
            "numbers end in .bin.");

        private float Finite(float value, string word) => float.IsFinite(value) ? value
            : throw Error($"has a number that is not finite in the vector of '{word}'.");

        private string Decode(ReadOnlySpan<byte> text, string what)
        {
            try
            {
                return Strict.GetString(text);
            }
            catch (DecoderFallbackException)
            {
                throw Error($"holds no valid UTF-8 in {what}.");
            }
        }

        private static bool Number(string text, out int value) => int.TryParse(
            text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value > 0;
    }
}
