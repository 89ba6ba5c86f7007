using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Transformer.Models.Text;
using Transformer.Verification;

namespace Transformer.Benchmarks;

/// <summary>
/// How fast each kind of tokenizer encodes and decodes text that it has learned from: the text as
/// a whole and line by line on one thread, and all lines as a batch on all threads.
/// </summary>
internal static class TokenizersMeasure
{
    private const int Vocabulary = 16_000, Rounds = 7;

    /// <summary>Trains, measures, prints and writes.</summary>
    /// <param name="file">Receives JSON.</param>
    /// <param name="data">UTF-8 texts.</param>
    public static int Run(string file, string[] data)
    {
        string[] lines =
            [.. data.SelectMany(TextFiles.ReadLines).Where(line => line.Length > 0)];
        long bytes = lines.Sum(line => (long)Encoding.UTF8.GetByteCount(line));
        (string Kind, Tokenizer Tokenizer)[] all =
        [
            ("characters", CharacterTokenizer.Train(lines)),
            ("words", WordTokenizer.Train(lines)),
            ("BPE", BytePairTokenizer.Train(lines, new() { VocabularySize = Vocabulary })),
            ("WordPiece", WordPieceTokenizer.Train(lines, new() { VocabularySize = Vocabulary })),
            ("Unigram", UnigramTokenizer.Train(lines, new() { VocabularySize = Vocabulary })),
        ];
        Row[] rows = [.. all.Select(one => Measure(one.Kind, one.Tokenizer, lines, bytes))];
        foreach (Row row in rows)
        {
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{row.Kind}, {row.Vocabulary}: whole {row.Whole:F1}, lines {row.Lines:F1}, " +
                $"first {row.First:F1}, batch {row.Batch:F1}, decode {row.Decode:F1} MB/s"));
        }

        Write(file, lines.Length, bytes, rows);
        return 0;
    }

    /// <summary>Speeds in MB (10⁶ bytes of UTF-8) a second.</summary>
    /// <param name="Kind">Of tokenizer.</param>
    /// <param name="Vocabulary">Its tokens.</param>
    /// <param name="Whole">Encoding all lines as one text.</param>
    /// <param name="Lines">Encoding line by line.</param>
    /// <param name="First">The same by a tokenizer that was just loaded: no word is remembered.
    /// </param>
    /// <param name="Batch">Encoding all lines at once, on all threads.</param>
    /// <param name="Decode">Decoding line by line.</param>
    private sealed record Row(string Kind, int Vocabulary, double Whole, double Lines,
        double First, double Batch, double Decode);

    private static Row Measure(string kind, Tokenizer tokenizer, string[] lines, long bytes)
    {
        string whole = string.Join('\n', lines);
        int[][] ids = [.. lines.Select(line => tokenizer.Encode(line))];
        // The runtime has compiled everything with all optimisations before what counts.
        double decode = Speed(() =>
        {
            foreach (int[] line in ids) tokenizer.Decode(line);
        });
        double perLine = Speed(() => EncodeLines(tokenizer));
        string saved = Path.GetTempFileName();
        try
        {
            tokenizer.Save(saved);
            double[] first = [.. Enumerable.Range(0, Rounds).Select(_ =>
            {
                Tokenizer loaded = Tokenizer.Load(saved);
                return Once(() => EncodeLines(loaded));
            })];
            return new(kind, tokenizer.VocabularySize, Speed(() => tokenizer.Encode(whole)),
                perLine, Median(first), Speed(() => tokenizer.EncodeBatch(lines)), decode);
        }
        finally
        {
            File.Delete(saved);
        }

        void EncodeLines(Tokenizer by)
        {
            foreach (string line in lines) by.Encode(line);
        }

        double Once(Action work)
        {
            long start = Stopwatch.GetTimestamp();
            work();
            return bytes / 1e6 / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        double Speed(Action work)
        {
            for (int i = 0; i < 3; i++) work();
            return Median([.. Enumerable.Range(0, Rounds).Select(_ => Once(work))]);
        }
    }

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return values[values.Length / 2];
    }

    private static void Write(string file, int lines, long bytes, Row[] rows)
    {
        using FileStream stream = File.Create(file);
        using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        BenchReport.WriteHead(json, MachineLimits.Measure(TimeSpan.FromSeconds(1)),
            "dotnet run -c Release --project benchmarks/Transformer.Benchmarks -- " +
            "--tokenizers FILE TEXT...");
        json.WriteNumber("lines", lines);
        json.WriteNumber("bytes", bytes);
        json.WriteNumber("rounds", Rounds);
        json.WriteStartArray("rows");
        foreach (Row row in rows)
        {
            json.WriteStartObject();
            json.WriteString("kind", row.Kind);
            json.WriteNumber("vocabulary", row.Vocabulary);
            json.WriteNumber("wholeMBs", Math.Round(row.Whole, 2));
            json.WriteNumber("linesMBs", Math.Round(row.Lines, 2));
            json.WriteNumber("firstMBs", Math.Round(row.First, 2));
            json.WriteNumber("batchMBs", Math.Round(row.Batch, 2));
            json.WriteNumber("decodeMBs", Math.Round(row.Decode, 2));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }
}
