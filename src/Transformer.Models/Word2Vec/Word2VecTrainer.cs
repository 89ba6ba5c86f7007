using System.Numerics.Tensors;
using Transformer.Models.Text;
using Transformer.Models.Text.Corpus;

namespace Transformer.Models.Word2Vec;

/// <summary>Where a training stands.</summary>
/// <param name="Done">Part of all words gone through, 0 to 1.</param>
/// <param name="Loss">Mean loss of the words predicted since the last report.</param>
/// <param name="WordsPerSecond">Words of text gone through in a second.</param>
public readonly record struct Word2VecProgress(double Done, double Loss, double WordsPerSecond);

/// <summary>Learns word vectors from text: skip-gram or CBOW with negative sampling.</summary>
/// <remarks>Mikolov et al., "Efficient Estimation of Word Representations in Vector Space" and
/// "Distributed Representations of Words and Phrases and their Compositionality" (both 2013).
/// CBOW's gradient is that of the mean of the words around (İrsoy, Benton, Stratos, "Corrected
/// CBOW Performs as well as Skip-gram", 2021). A training that is stopped begins anew: it takes
/// minutes, not days.</remarks>
public sealed class Word2VecTrainer
{
    private const int WordsPerReport = 10_000;
    private const int LongestRun = 1000; // words; the rate falls and a stop is seen between runs
    private const double LeastRate = 1e-4; // of the first

    private readonly Word2VecOptions options;
    private readonly int[][] sentences;
    private readonly string[] words;
    private readonly double[] kept;
    private readonly AliasTable noise;
    private readonly float[] inputs, outputs;
    private readonly long total;
    private readonly Lock gate = new();
    private long done;
    private bool ran;

    /// <summary>Finds the words and makes their vectors, small and random.</summary>
    /// <param name="lines">Text, one sentence or paragraph a line: words of different lines do not
    /// belong together, nor do those of different thousands of words of a longer line.</param>
    /// <param name="options">Null: the defaults.</param>
    /// <param name="tokenizer">Cuts words; null: the text's own, in lower case, that occur
    /// <see cref="Word2VecOptions.MinCount"/> times.</param>
    /// <exception cref="ArgumentException">An option is out of range, or no word is frequent
    /// enough.</exception>
    public Word2VecTrainer(
        IReadOnlyList<string> lines, Word2VecOptions? options = null, ITokenizer? tokenizer = null)
    {
        ArgumentNullException.ThrowIfNull(lines);
        this.options = options ??= new();
        options.Validate();
        tokenizer ??= WordTokenizer.Train(
            lines, new() { Lowercase = true, MinFrequency = options.MinCount });
        Vocabulary(lines, tokenizer, out words, out sentences, out long[] counts);
        total = counts.Sum();
        kept = [.. counts.Select(count => Kept(count / (double)total, options.Subsample))];
        noise = new([.. counts.Select(count => Math.Pow(count, options.NoisePower))]);
        long elements = (long)words.Length * options.Width;
        if (elements > Array.MaxLength)
        {
            throw new ArgumentException($"Word2VecTrainer: {words.Length} words of width " +
                $"{options.Width} pass {Array.MaxLength} numbers. Raise 'MinCount'.");
        }

        inputs = new float[elements];
        outputs = new float[elements];
        SplitMix64 random = new(options.Seed);
        for (int i = 0; i < inputs.Length; i++)
            inputs[i] = (float)((Unit(random) - 0.5) / options.Width);
    }

    /// <summary>Words that get a vector, the most frequent first.</summary>
    public IReadOnlyList<string> Words => words;

    /// <summary>Words of the text that get one, repetitions counted.</summary>
    public long TextLength => total;

    /// <summary>Learns, once.</summary>
    /// <param name="progress">Told now and then, by any of the threads, one at a time.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <returns>The vectors of the words.</returns>
    /// <exception cref="InvalidOperationException">It has run before.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    /// <exception cref="ArithmeticException">Vectors became infinite.</exception>
    public WordVectors Run(
        Action<Word2VecProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (ran)
        {
            throw new InvalidOperationException("Word2VecTrainer: 'Run' was called before. Make " +
                "a new trainer: its vectors begin anew.");
        }

        ran = true;
        long start = TimeProvider.System.GetTimestamp();
        void Report(double loss)
        {
            lock (gate)
            {
                long now = Interlocked.Read(ref done);
                double seconds = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
                progress?.Invoke(new(
                    now / ((double)total * options.Epochs), loss, now / seconds));
            }
        }

        int threads = Math.Min(options.Threads, sentences.Length);
        if (threads == 1)
        {
            new Learner(this, 0, 1, Report, cancellation).Run();
        }
        else
        {
            // Threads write to the same vectors without locks (Recht et al., "Hogwild!", 2011).
            Parallel.For(0, threads, new() { MaxDegreeOfParallelism = threads },
                thread => new Learner(this, thread, threads, Report, cancellation).Run());
        }

        cancellation.ThrowIfCancellationRequested();
        if (!float.IsFinite(TensorPrimitives.Sum<float>(inputs)))
        {
            throw new ArithmeticException("Word2VecTrainer: the vectors became infinite. Lower " +
                "'LearningRate'.");
        }

        return new(words, inputs);
    }

    /// <summary>Probability that a word of a share of the text is kept.</summary>
    /// <remarks>The 2013 paper's program: (√(f/t) + 1)·t/f, at most 1.</remarks>
    internal static double Kept(double share, double threshold) => threshold <= 0 ? 1
        : Math.Min(1, (Math.Sqrt(share / threshold) + 1) * threshold / share);

    private static void Vocabulary(
        IReadOnlyList<string> lines, ITokenizer tokenizer, out string[] words,
        out int[][] sentences, out long[] counts)
    {
        SpecialTokens special = tokenizer.Special;
        int[][] all = [.. lines.Select(line => tokenizer.Encode(line).Where(id =>
            id != special.Unknown && id != special.Pad && id != special.Bos && id != special.Eos
            && !tokenizer.Token(id).Any(char.IsWhiteSpace)).ToArray())];
        Dictionary<int, long> found = [];
        foreach (int[] ids in all)
            foreach (int id in ids) found[id] = found.GetValueOrDefault(id) + 1;
        if (found.Count < 2)
        {
            throw new ArgumentException($"Word2VecTrainer: the text has {found.Count} words that " +
                "the tokenizer knows; expected two or more. Give more text.");
        }

        int[] order = [.. found.Keys.OrderByDescending(id => found[id]).ThenBy(id => id)];
        Dictionary<int, int> rows = order.Index().ToDictionary(e => e.Item, e => e.Index);
        words = [.. order.Select(tokenizer.Token)];
        counts = [.. order.Select(id => found[id])];
        sentences = [.. all.Where(ids => ids.Length > 0)
            .SelectMany(ids => Array.ConvertAll(ids, id => rows[id]).Chunk(LongestRun))];
    }

    private static double Unit(SplitMix64 random) => (random.Next() >> 11) * (1.0 / (1L << 53));

    /// <summary>What one thread does: every n-th sentence of each epoch.</summary>
    private sealed class Learner(
        Word2VecTrainer trainer, int thread, int threads, Action<double> report,
        CancellationToken cancellation)
    {
        private readonly Word2VecOptions options = trainer.options;
        private readonly SplitMix64 random =
            new(SplitMix64.Mix(trainer.options.Seed + (ulong)thread + 1));

        private readonly int[] noise = new int[trainer.options.Negatives];
        private readonly float[] hidden = new float[trainer.options.Width];
        private readonly float[] step = new float[trainer.options.Width];
        private readonly List<int> text = [];
        private double loss, mean;
        private long predicted, unreported;

        /// <summary>Returns early when it is to stop.</summary>
        public void Run()
        {
            long all = trainer.total * options.Epochs;
            for (int epoch = 0; epoch < options.Epochs; epoch++)
            {
                for (int i = thread; i < trainer.sentences.Length; i += threads)
                {
                    if (cancellation.IsCancellationRequested) return;
                    int[] sentence = trainer.sentences[i];
                    text.Clear();
                    foreach (int word in sentence)
                        if (trainer.kept[word] >= 1 || Unit(random) < trainer.kept[word])
                            text.Add(word);
                    double left = 1 - (Interlocked.Read(ref trainer.done) / (double)all);
                    float rate = (float)(options.FirstLearningRate * Math.Max(LeastRate, left));
                    for (int place = 0; place < text.Count; place++) Learn(place, rate);
                    Interlocked.Add(ref trainer.done, sentence.Length);
                    unreported += sentence.Length;
                    if (unreported >= WordsPerReport) Report();
                }
            }

            if (unreported > 0) Report();
        }

        private void Report()
        {
            if (predicted > 0) mean = loss / predicted;
            report(mean);
            (loss, predicted, unreported) = (0, 0, 0);
        }

        private void Learn(int place, float rate)
        {
            int width = 1 + random.Below(options.Window);
            int first = Math.Max(0, place - width), last = Math.Min(text.Count - 1, place + width);
            if (first == last) return;
            if (options.Architecture == Word2VecArchitecture.Cbow)
            {
                Cbow(place, first, last, rate);
                return;
            }

            Span<float> word = Input(text[place]);
            for (int i = first; i <= last; i++)
            {
                if (i == place) continue;
                Array.Clear(step);
                Predict(word, text[i], rate);
                TensorPrimitives.Add(word, step, word);
            }
        }

        private void Cbow(int place, int first, int last, float rate)
        {
            Array.Clear(hidden);
            Array.Clear(step);
            for (int i = first; i <= last; i++)
                if (i != place) TensorPrimitives.Add<float>(hidden, Input(text[i]), hidden);
            float share = 1f / (last - first);
            TensorPrimitives.Multiply<float>(hidden, share, hidden);
            Predict(hidden, text[place], rate);
            TensorPrimitives.Multiply<float>(step, share, step);
            for (int i = first; i <= last; i++)
            {
                if (i == place) continue;
                Span<float> word = Input(text[i]);
                TensorPrimitives.Add<float>(word, step, word);
            }
        }

        private void Predict(ReadOnlySpan<float> from, int word, float rate)
        {
            for (int i = 0; i < noise.Length; i++) noise[i] = trainer.noise.Draw(random.Next());
            loss += NegativeSampling.Step(from, trainer.outputs, word, noise, rate, step);
            predicted++;
        }

        private Span<float> Input(int word) =>
            NegativeSampling.Row(trainer.inputs, word, options.Width);
    }
}
