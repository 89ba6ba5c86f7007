using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>Trains a decoder-only model to predict each next token of a text.</summary>
public sealed class GptTrainer : Trainer
{
    /// <summary>Prepares a training; nothing runs yet.</summary>
    /// <param name="model">The model, its weights initialised.</param>
    /// <param name="training">Text to learn from.</param>
    /// <param name="validation">Text to validate with; null: no validation.</param>
    /// <param name="options">How to train; a batch has as many windows as
    /// <see cref="TrainingOptions.TokensPerBatch"/> holds.</param>
    /// <param name="folder">Where checkpoints go; null: none are written.</param>
    /// <param name="length">Tokens of a window; 0: the model's positions.</param>
    /// <exception cref="ArgumentException">An option is out of range, the text is too short for
    /// one batch, or patience is asked for without a text to validate with.</exception>
    public GptTrainer(
        IGptTrainingModel model, TokenDataset training, TokenDataset? validation,
        TrainingOptions options, CheckpointFolder? folder = null, int length = 0)
        : base(Task(model, training, validation, options, length), options, folder)
    {
    }

    private static WindowTask Task(
        IGptTrainingModel model, TokenDataset training, TokenDataset? validation,
        TrainingOptions options, int length)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        if (length == 0) length = model.Positions;
        if (options.TokensPerBatch < length)
        {
            throw new ArgumentException($"TrainingOptions: 'tokensPerBatch' is " +
                $"{options.TokensPerBatch}; expected at least the {length} tokens of one window.");
        }

        WindowBatcher batcher =
            new(training, options.TokensPerBatch / length, length, options.Seed);
        return new(model, training, batcher, validation is null
            ? null : new(model, validation, batcher.Rows, length), options);
    }

    private sealed class WindowTask(
        IGptTrainingModel model, TokenDataset training, WindowBatcher batcher,
        GptEvaluator? evaluator, TrainingOptions options) : ITrainingTask
    {
        private readonly int[] ids = new int[batcher.Rows * batcher.Length];
        private readonly int[] labels = new int[batcher.Rows * batcher.Length];

        public ParameterSet Parameters => model.Parameters;

        public string ConfigJson { get; } = model.ConfigJson;

        public string DataFingerprint => training.Fingerprint;

        public bool HasValidation => evaluator is not null;

        public int BatchCount => batcher.BatchCount;

        public void StartEpoch(int epoch) => batcher.StartEpoch(epoch);

        public long Labels(int batch) => labels.Length;

        public CompiledGraph Load(int batch)
        {
            batcher.Fill(batch, ids, labels);
            CompiledGraph graph =
                model.TrainingGraph(batcher.Rows, batcher.Length, options.LabelSmoothing);
            graph.Feed<int>("ids", ids);
            graph.Feed<int>("labels", labels);
            return graph;
        }

        public EvaluationResult Evaluate(CancellationToken cancellation) =>
            (evaluator ?? throw new InvalidOperationException(
                "GptTrainer: there is no text to validate with.")).Run(cancellation);
    }
}
