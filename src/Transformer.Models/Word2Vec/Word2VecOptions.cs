using System.Globalization;

namespace Transformer.Models.Word2Vec;

/// <summary>What predicts what.</summary>
public enum Word2VecArchitecture
{
    /// <summary>A word predicts each word around it.</summary>
    SkipGram,

    /// <summary>The mean of the words around it predicts a word.</summary>
    Cbow,
}

/// <summary>How <see cref="Word2VecTrainer"/> learns word vectors.</summary>
public sealed record Word2VecOptions
{
    private const int MostWidth = 1 << 16, MostWindow = 1 << 10, MostNegatives = 1 << 10,
        MostThreads = 1 << 10;

    /// <summary>What predicts what.</summary>
    public Word2VecArchitecture Architecture { get; init; } = Word2VecArchitecture.SkipGram;

    /// <summary>D: width of a vector.</summary>
    public int Width { get; init; } = 100;

    /// <summary>Most words to each side that belong together; for each place a number from 1 to
    /// this is drawn, so that near words count more.</summary>
    public int Window { get; init; } = 5;

    /// <summary>Words drawn from the noise for each that is predicted.</summary>
    public int Negatives { get; init; } = 5;

    /// <summary>The noise is the words' frequencies to this power.</summary>
    public double NoisePower { get; init; } = 0.75;

    /// <summary>t: of words more frequent than this share of the text only some are kept; 0: all.
    /// </summary>
    public double Subsample { get; init; } = 1e-3;

    /// <summary>Times a word must occur to get a vector.</summary>
    public int MinCount { get; init; } = 5;

    /// <summary>Times that the text is gone through.</summary>
    public int Epochs { get; init; } = 5;

    /// <summary>Step at the beginning; it falls linearly to a ten-thousandth. 0: 0.025 for
    /// skip-gram, 0.05 for CBOW.</summary>
    public double LearningRate { get; init; }

    /// <summary>Threads that learn at once. With more than one the result depends on how they
    /// take turns.</summary>
    public int Threads { get; init; } = 1;

    /// <summary>With one thread, the same seed gives the same vectors.</summary>
    public ulong Seed { get; init; }

    internal double FirstLearningRate => LearningRate > 0 ? LearningRate
        : Architecture == Word2VecArchitecture.SkipGram ? 0.025 : 0.05;

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Validate()
    {
        if (!Enum.IsDefined(Architecture))
            throw Wrong("architecture", $"{Architecture:D}", "SkipGram or Cbow");
        Size("width", Width, MostWidth);
        Size("window", Window, MostWindow);
        Size("negatives", Negatives, MostNegatives);
        Size("minCount", MinCount, int.MaxValue);
        Size("epochs", Epochs, int.MaxValue);
        Size("threads", Threads, MostThreads);
        Number("noisePower", NoisePower, 0, 2);
        Number("subsample", Subsample, 0, 1);
        Number("learningRate", LearningRate, 0, 10);
    }

    private static void Size(string name, int value, int most)
    {
        if (value < 1 || value > most)
        {
            throw Wrong(name, value.ToString(CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"1 to {most}"));
        }
    }

    private static void Number(string name, double value, double least, double most)
    {
        if (!(value >= least && value <= most))
        {
            throw Wrong(name, value.ToString(CultureInfo.InvariantCulture),
                string.Create(CultureInfo.InvariantCulture, $"{least} to {most}"));
        }
    }

    private static ArgumentException Wrong(string name, string value, string expected) =>
        new($"Word2VecOptions: '{name}' is {value}; expected {expected}.");
}
