using System.Numerics.Tensors;
using Transformer.Models.Text;

namespace Transformer.Models.Word2Vec;

/// <summary>A word and how near it is.</summary>
/// <param name="Word">The word.</param>
/// <param name="Similarity">Cosine of the angle, −1 to 1.</param>
public readonly record struct NearWord(string Word, double Similarity);

/// <summary>Words with their vectors: nearest words, analogies, means of texts. Immutable; safe to
/// use from many threads.</summary>
public sealed partial class WordVectors
{
    private readonly string[] words;
    private readonly float[] vectors;
    private readonly double[] lengths;
    private readonly Dictionary<string, int> rows;

    /// <summary>Puts words and vectors together.</summary>
    /// <param name="words">V different words.</param>
    /// <param name="vectors">[V, D], row-major.</param>
    /// <exception cref="ArgumentException">There is no word, one occurs twice, is empty or has
    /// white space in it, or the vectors are not of one width.</exception>
    public WordVectors(IReadOnlyList<string> words, ReadOnlySpan<float> vectors)
    {
        ArgumentNullException.ThrowIfNull(words);
        if (words.Count == 0 || vectors.Length == 0 || vectors.Length % words.Count != 0)
        {
            throw new ArgumentException($"WordVectors: {words.Count} words and {vectors.Length} " +
                "numbers; expected the same amount of numbers for each word.");
        }

        this.words = [.. words];
        this.vectors = vectors.ToArray();
        Width = vectors.Length / words.Count;
        rows = new(words.Count, StringComparer.Ordinal);
        lengths = new double[words.Count];
        for (int i = 0; i < words.Count; i++)
        {
            if (words[i].Length == 0 || words[i].Any(char.IsWhiteSpace))
            {
                throw new ArgumentException(
                    $"WordVectors: word {i + 1}, '{words[i]}', is empty or has white space in it.");
            }

            if (!rows.TryAdd(words[i], i))
                throw new ArgumentException($"WordVectors: the word '{words[i]}' occurs twice.");
            lengths[i] = TensorPrimitives.Norm(Vector(i));
        }
    }

    /// <summary>The words.</summary>
    public IReadOnlyList<string> Words => words;

    /// <summary>D.</summary>
    public int Width { get; }

    /// <summary>The vector of a word [D]; empty where it has none.</summary>
    public ReadOnlySpan<float> this[string word] =>
        rows.TryGetValue(word, out int row) ? Vector(row) : [];

    /// <summary>Whether a word has a vector.</summary>
    public bool Contains(string word) => rows.ContainsKey(word);

    /// <summary>The words nearest to one, itself left out.</summary>
    /// <param name="word">The word.</param>
    /// <param name="count">Most words to give, 1 or more.</param>
    /// <exception cref="ArgumentException">The word has no vector, or the count is not positive.
    /// </exception>
    public IReadOnlyList<NearWord> Nearest(string word, int count = 10) =>
        Nearest(Vector(Row(word)), count, word);

    /// <summary>The words nearest to a vector by the cosine, the nearest first.</summary>
    /// <param name="vector">[D].</param>
    /// <param name="count">Most words to give, 1 or more.</param>
    /// <param name="without">Words to leave out.</param>
    /// <exception cref="ArgumentException">The vector is of another width, or the count is not
    /// positive.</exception>
    public IReadOnlyList<NearWord> Nearest(
        ReadOnlySpan<float> vector, int count = 10, params IReadOnlyList<string> without)
    {
        if (vector.Length != Width)
        {
            throw new ArgumentException(
                $"WordVectors: the vector has {vector.Length} numbers; expected {Width}.");
        }

        if (count < 1)
            throw new ArgumentException($"WordVectors: 'count' is {count}; expected 1 or more.");
        double length = TensorPrimitives.Norm(vector);
        double[] near = new double[words.Length];
        for (int i = 0; i < near.Length; i++)
        {
            double product = length * lengths[i];
            near[i] = product > 0 ? TensorPrimitives.Dot(vector, Vector(i)) / product : 0;
        }

        return [.. Enumerable.Range(0, words.Length).Where(i => !without.Contains(words[i]))
            .OrderByDescending(i => near[i]).Take(count)
            .Select(i => new NearWord(words[i], near[i]))];
    }

    /// <summary>What is to <paramref name="c"/> as <paramref name="b"/> is to
    /// <paramref name="a"/>: the words nearest to b − a + c, their directions alone counting; the
    /// three are left out.</summary>
    /// <remarks>Mikolov, Yih, Zweig, "Linguistic Regularities in Continuous Space Word
    /// Representations" (2013), equation 1.</remarks>
    /// <exception cref="ArgumentException">A word has no vector, or the count is not positive.
    /// </exception>
    public IReadOnlyList<NearWord> Analogy(string a, string b, string c, int count = 10)
    {
        float[] sum = new float[Width];
        foreach ((string word, float sign) in ((string, float)[])[(a, -1), (b, 1), (c, 1)])
        {
            int row = Row(word);
            if (lengths[row] > 0)
            {
                TensorPrimitives.MultiplyAdd(
                    Vector(row), (float)(sign / lengths[row]), sum, sum);
            }
        }

        return Nearest(sum, count, a, b, c);
    }

    /// <summary>The mean of words' vectors [D]; words without one are passed over, and without
    /// any it is 0.</summary>
    public float[] Mean(IEnumerable<string> text)
    {
        ArgumentNullException.ThrowIfNull(text);
        float[] sum = new float[Width];
        int count = 0;
        foreach (string word in text)
        {
            if (!rows.TryGetValue(word, out int row)) continue;
            TensorPrimitives.Add(sum, Vector(row), sum);
            count++;
        }

        if (count > 1) TensorPrimitives.Multiply(sum, 1f / count, sum);
        return sum;
    }

    /// <summary>The mean of the vectors of a text's words [D], which are cut as
    /// <see cref="Word2VecTrainer"/> cuts them.</summary>
    public float[] Mean(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<string> found = [];
        foreach (ReadOnlySpan<char> word in new WordSplitter(text.ToLowerInvariant()))
            found.Add(word.ToString());
        return Mean(found);
    }

    private ReadOnlySpan<float> Vector(int row) => vectors.AsSpan(row * Width, Width);

    private int Row(string word) => rows.TryGetValue(word, out int row) ? row
        : throw new ArgumentException($"WordVectors: the word '{word}' has no vector; there are " +
            $"{words.Length} others. Try its lower case, or train on text that has it.");
}
