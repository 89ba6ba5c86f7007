using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Transformer.Models.Text;

namespace Transformer.Models.Training;

/// <summary>A text, or two, and its class.</summary>
/// <param name="Label">Name of the class.</param>
/// <param name="Text">The text.</param>
/// <param name="Second">Another text that belongs to it; null: none.</param>
public sealed record LabelledText(string Label, string Text, string? Second = null);

/// <summary>Texts as token ids with the numbers of their classes. Immutable.</summary>
public sealed class ClassificationDataset
{
    private readonly (int[] Ids, int[] Segments)[] texts;
    private readonly int[] labels;

    private ClassificationDataset((int[] Ids, int[] Segments)[] texts, int[] labels, int shortened)
    {
        this.texts = texts;
        this.labels = labels;
        Shortened = shortened;
        Longest = texts.Max(t => t.Ids.Length);
        Fingerprint = Convert.ToHexStringLower(SHA256.HashData([
            .. MemoryMarshal.AsBytes<int>(labels),
            .. texts.SelectMany(t => t.Ids.Concat(t.Segments).Append(-1))
                .SelectMany(BitConverter.GetBytes)]).AsSpan(0, 16));
    }

    /// <summary>Texts.</summary>
    public int Count => labels.Length;

    /// <summary>Tokens of the longest text.</summary>
    public int Longest { get; }

    /// <summary>Texts that lost their end because the model has too few positions.</summary>
    public int Shortened { get; }

    /// <summary>32 hexadecimal digits that differ for other data; checkpoints store it so that
    /// training does not go on with other data.</summary>
    public string Fingerprint { get; }

    /// <summary>The classes of examples, in ordinal order of their names.</summary>
    public static string[] Classes(IEnumerable<LabelledText> examples) =>
        [.. examples.Select(e => e.Label).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>Encodes examples.</summary>
    /// <param name="examples">One or more.</param>
    /// <param name="classes">Names by number.</param>
    /// <param name="tokenizer">Makes the ids, with BERT's special tokens.</param>
    /// <param name="positions">Most tokens of a text; longer ones lose their end.</param>
    /// <exception cref="ArgumentException">There is no example, one has an unknown class, or the
    /// tokenizer lacks a token.</exception>
    public static ClassificationDataset Encode(
        IReadOnlyList<LabelledText> examples, IReadOnlyList<string> classes, ITokenizer tokenizer,
        int positions)
    {
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentNullException.ThrowIfNull(classes);
        BertTokens tokens = BertTokens.Of(tokenizer);
        if (examples.Count == 0)
        {
            throw new ArgumentException(
                "ClassificationDataset: there are no examples. Give one or more.");
        }

        int[] labels = new int[examples.Count];
        var texts = new (int[], int[])[examples.Count];
        int shortened = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            string label = examples[i].Label;
            labels[i] = Enumerable.Range(0, classes.Count)
                .FirstOrDefault(c => classes[c] == label, -1);
            if (labels[i] < 0)
            {
                throw new ArgumentException($"ClassificationDataset: example {i + 1} has the " +
                    $"class '{label}'; known are {string.Join(", ", classes)}. Train with " +
                    "examples of all classes.");
            }

            texts[i] = Join(examples[i], tokenizer, tokens, positions, out bool cut);
            if (cut) shortened++;
        }

        return new(texts, labels, shortened);
    }

    /// <summary>[CLS] A [SEP] B [SEP] within the positions; the longer of the two loses its end
    /// first.</summary>
    internal static (int[] Ids, int[] Segments) Join(
        LabelledText example, ITokenizer tokenizer, BertTokens tokens, int positions,
        out bool shortened)
    {
        int[] first = tokenizer.Encode(example.Text);
        int[]? second = example.Second is null ? null : tokenizer.Encode(example.Second);
        int room = Math.Max(0, positions - (second is null ? 2 : 3));
        int length = first.Length + (second?.Length ?? 0);
        shortened = length > room;
        if (shortened && second is null) first = first[..room];
        else if (shortened)
        {
            int kept = Math.Min(first.Length, Math.Max(room / 2, room - second!.Length));
            first = first[..kept];
            second = second[..Math.Min(second.Length, room - kept)];
        }

        return tokens.Join(first, second);
    }

    internal (int[] Ids, int[] Segments) Text(int index) => texts[index];

    internal int Label(int index) => labels[index];
}
