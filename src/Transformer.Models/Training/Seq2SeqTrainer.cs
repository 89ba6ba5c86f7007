using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>Trains an encoder–decoder model on sentence pairs by teacher forcing.</summary>
public sealed class Seq2SeqTrainer : Trainer
{
    /// <summary>Prepares a training; nothing runs yet.</summary>
    /// <param name="model">The model, its weights initialised.</param>
    /// <param name="training">Pairs to learn from.</param>
    /// <param name="validation">Pairs to validate with; null: no validation.</param>
    /// <param name="options">How to train.</param>
    /// <param name="folder">Where checkpoints go; null: none are written.</param>
    /// <exception cref="ArgumentException">An option is out of range, or patience is asked for
    /// without validation pairs.</exception>
    public Seq2SeqTrainer(
        ISeq2SeqTrainingModel model, ParallelDataset training, ParallelDataset? validation,
        TrainingOptions options, CheckpointFolder? folder = null)
        : base(Task(model, training, validation, options), options, folder)
    {
    }

    private static PairTask Task(
        ISeq2SeqTrainingModel model, ParallelDataset training, ParallelDataset? validation,
        TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return new(model, training, validation, options);
    }

    private sealed class PairTask(
        ISeq2SeqTrainingModel model, ParallelDataset training, ParallelDataset? validation,
        TrainingOptions options) : ITrainingTask
    {
        private readonly BucketBatcher batcher =
            new(training, options.Batching(shuffle: true), options.Seed);

        private readonly Seq2SeqEvaluator? evaluator = validation is null
            ? null : new(model, validation, options.Batching(shuffle: false));

        private readonly Batch batch = new();

        public ParameterSet Parameters => model.Parameters;

        public string ConfigJson => model.ConfigJson;

        public string DataFingerprint => training.Fingerprint;

        public bool HasValidation => evaluator is not null;

        public int BatchCount => batcher.BatchCount;

        public void StartEpoch(int epoch) => batcher.StartEpoch(epoch);

        public long Labels(int index) => batcher.TargetTokens(index);

        public CompiledGraph Load(int index)
        {
            batcher.Fill(index, batch);
            BatchShape shape = batch.Shape;
            CompiledGraph graph = model.TrainingGraph(
                shape.Rows, shape.SourceLength, shape.TargetLength, options.LabelSmoothing);
            batch.Feed(graph);
            return graph;
        }

        public EvaluationResult Evaluate(CancellationToken cancellation) =>
            (evaluator ?? throw new InvalidOperationException(
                "Seq2SeqTrainer: there are no validation pairs.")).Run(cancellation);
    }
}
