using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>Pre-trains an encoder-only model: masked tokens, and whether a text follows another.
/// </summary>
/// <remarks>The loss of a batch is the mean over its masked tokens plus the mean over its pairs;
/// that of a step the mean over its batches. Validation reports the loss of masked tokens as its
/// loss, and of the pairs the figures <see cref="NextAccuracyName"/> and
/// <see cref="NextLossName"/>.</remarks>
public sealed class BertTrainer : Trainer
{
    /// <summary>Name of the share of pairs told right, among a validation's figures.</summary>
    public const string NextAccuracyName = "nextAccuracy";

    /// <summary>Name of the loss of the pairs, among a validation's figures.</summary>
    public const string NextLossName = "nextLoss";

    /// <summary>Prepares a training; nothing runs yet.</summary>
    /// <param name="model">The model, its weights initialised.</param>
    /// <param name="training">Sentences to learn from.</param>
    /// <param name="validation">Sentences to validate with; null: no validation.</param>
    /// <param name="masking">Hides tokens.</param>
    /// <param name="options">How to train; a batch has as many texts as
    /// <see cref="TrainingOptions.TokensPerBatch"/> holds.</param>
    /// <param name="folder">Where checkpoints go; null: none are written.</param>
    /// <param name="length">Tokens of a text; 0: the model's positions.</param>
    /// <exception cref="ArgumentException">An option is out of range, or patience is asked for
    /// without sentences to validate with.</exception>
    public BertTrainer(
        IBertTrainingModel model, SentenceDataset training, SentenceDataset? validation,
        TokenMasking masking, TrainingOptions options, CheckpointFolder? folder = null,
        int length = 0)
        : this(Task(model, training, validation, masking, options, length), options, folder)
    {
    }

    private BertTrainer(PairTask task, TrainingOptions options, CheckpointFolder? folder)
        : base(task, options, folder) => Metrics = () => task.Figures;

    private static PairTask Task(
        IBertTrainingModel model, SentenceDataset training, SentenceDataset? validation,
        TokenMasking masking, TrainingOptions options, int length)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (length == 0) length = model.Positions;
        if (options.TokensPerBatch < length)
        {
            throw new ArgumentException($"TrainingOptions: 'tokensPerBatch' is " +
                $"{options.TokensPerBatch}; expected at least the {length} tokens of one text.");
        }

        BertBatcher batcher = new(
            training, masking, options.TokensPerBatch / length, length, options.Seed);
        BertEvaluator? evaluator = validation is null
            ? null : new(model, validation, masking, batcher.Rows, length);
        return new(model, training, batcher, evaluator, options);
    }

    private sealed class PairTask(
        IBertTrainingModel model, SentenceDataset training, BertBatcher batcher,
        BertEvaluator? evaluator, TrainingOptions options) : ITrainingTask
    {
        private readonly BertBatch batch = new(batcher.Rows, batcher.Length, batcher.Masked);

        public IReadOnlyDictionary<string, double> Figures { get; private set; } =
            new Dictionary<string, double>();

        public ParameterSet Parameters => model.Parameters;

        public string ConfigJson { get; } = model.ConfigJson;

        public string DataFingerprint => training.Fingerprint;

        public bool HasValidation => evaluator is not null;

        public int BatchCount => batcher.BatchCount;

        public void StartEpoch(int epoch) => batcher.StartEpoch(epoch);

        public long Labels(int batch) => 1;

        public long Tokens(int batch) => (long)batcher.Rows * batcher.Length;

        public CompiledGraph Load(int index)
        {
            batcher.Fill(index, batch);
            CompiledGraph graph = model.TrainingGraph(
                batcher.Rows, batcher.Length, batcher.Masked, options.LabelSmoothing);
            batch.Feed(graph);
            return graph;
        }

        public EvaluationResult Evaluate(CancellationToken cancellation)
        {
            BertEvaluation result = (evaluator ?? throw new InvalidOperationException(
                "BertTrainer: there are no sentences to validate with.")).Run(cancellation);
            Figures = new Dictionary<string, double>
            {
                [NextAccuracyName] = result.NextAccuracy,
                [NextLossName] = result.NextLoss,
            };
            return result.Masked;
        }
    }
}
