using Transformer.Models.Text;
using Transformer.Models.Text.Corpus;

namespace Transformer.Cli.Commands.Train;

/// <summary>The sentence pairs of a training.</summary>
/// <param name="Training">To learn from.</param>
/// <param name="Validation">To validate with; null: none.</param>
internal sealed record TrainingText(
    IReadOnlyList<(string Source, string Target)> Training,
    IReadOnlyList<(string Source, string Target)>? Validation)
{
    /// <summary>Reads what the options name.</summary>
    /// <exception cref="ArgumentException">Files and corpus contradict, or a file is missing of
    /// a pair.</exception>
    /// <exception cref="InvalidDataException">A file is empty, no UTF-8, or the numbers of lines
    /// differ.</exception>
    public static TrainingText Load(Seq2SeqTrainOptions options)
    {
        string?[] files =
            [options.Source, options.Target, options.ValidSource, options.ValidTarget];
        if (options.Corpus is null && files.All(f => f is null) || options.Corpus is not null)
        {
            if (files.Any(f => f is not null))
            {
                throw new ArgumentException("train seq2seq: both --corpus and text files are " +
                    "given; expected one of them.");
            }

            EnglishRussianCorpus corpus = EnglishRussianCorpus.Generate();
            return new(Pairs(corpus.Training), Pairs(corpus.Validation));
        }

        if (options.Source is null || options.Target is null)
        {
            throw new ArgumentException("train seq2seq: --source and --target go together; " +
                $"--{(options.Source is null ? "source" : "target")} is missing.");
        }

        if (options.ValidSource is null != options.ValidTarget is null)
        {
            string missing = options.ValidSource is null ? "source" : "target";
            throw new ArgumentException("train seq2seq: --valid-source and --valid-target go " +
                $"together; --valid-{missing} is missing.");
        }

        return new(
            TextFiles.ReadParallel(options.Source, options.Target),
            options.ValidSource is null ? null
                : TextFiles.ReadParallel(options.ValidSource, options.ValidTarget!));
    }

    /// <summary>Pairs of a corpus that comes with the library.</summary>
    public static IReadOnlyList<(string Source, string Target)> Pairs(
        IReadOnlyList<SentencePair> pairs) => [.. pairs.Select(p => (p.Source, p.Target))];

    /// <summary>The same without validation pairs longer than the position table.</summary>
    public TrainingText WithoutLongValidation(
        ITokenizer source, ITokenizer target, int maxPositions) => this with
        {
            Validation = Validation?.Where(pair =>
                source.Encode(pair.Source).Length < maxPositions &&
                target.Encode(pair.Target).Length < maxPositions).ToList(),
        };

    /// <summary>Learns the tokenizers: one of both languages, or one each.</summary>
    /// <exception cref="ArgumentException">The options do not fit the text.</exception>
    public (Tokenizer Source, Tokenizer Target) TrainTokenizers(
        Seq2SeqTrainOptions options, CancellationToken cancellation)
    {
        IEnumerable<string> sources = Training.Select(p => p.Source);
        IEnumerable<string> targets = Training.Select(p => p.Target);
        if (options.IsJoint)
        {
            Tokenizer joint = Learn(sources.Concat(targets));
            return (joint, joint);
        }

        return (Learn(sources), Learn(targets));

        Tokenizer Learn(IEnumerable<string> lines) => TokenizerTraining.Train(
            options.Tokenizer, lines, new(options.Vocabulary, options.Lowercase), cancellation);
    }
}
