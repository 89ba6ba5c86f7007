using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <summary>Trains or fine-tunes a model to tell the classes of texts.</summary>
public sealed class ClassifierTrainer : Trainer
{
    /// <summary>Prepares a training; nothing runs yet.</summary>
    /// <param name="model">The model, its weights initialised or pre-trained.</param>
    /// <param name="training">Texts to learn from.</param>
    /// <param name="validation">Texts to validate with; null: no validation.</param>
    /// <param name="options">How to train; a batch has as many texts, padded to the longest, as
    /// <see cref="TrainingOptions.TokensPerBatch"/> holds.</param>
    /// <param name="folder">Where checkpoints go; null: none are written.</param>
    /// <exception cref="ArgumentException">An option is out of range, or patience is asked for
    /// without texts to validate with.</exception>
    public ClassifierTrainer(
        IClassifierTrainingModel model, ClassificationDataset training,
        ClassificationDataset? validation, TrainingOptions options,
        CheckpointFolder? folder = null)
        : base(Task(model, training, validation, options), options, folder)
    {
    }

    /// <summary>Measures a model as it is.</summary>
    /// <param name="model">The model.</param>
    /// <param name="texts">Texts to measure on.</param>
    /// <param name="rows">Texts that are measured together.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static EvaluationResult Evaluate(
        IClassifierTrainingModel model, ClassificationDataset texts, int rows = 16,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(texts);
        return Measure(model, new(texts, rows, model.Positions, seed: null),
            new(model.Backend.Memory), cancellation);
    }

    private static EvaluationResult Measure(
        IClassifierTrainingModel model, ClassificationBatcher batcher, LabelRanking ranking,
        CancellationToken cancellation)
    {
        CompiledGraph graph = model.EvaluationGraph(batcher.Rows, batcher.Length);
        double loss = 0;
        long correct = 0, count = 0;
        for (int i = 0; i < batcher.BatchCount; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            batcher.Load(i, graph);
            graph.Forward();
            loss += Batch.FetchLoss(graph);
            correct += ranking.CountFirst(graph, batcher.Labels);
            count += batcher.Count(i);
        }

        return new(loss / count, (double)correct / count, count);
    }

    private static TextTask Task(
        IClassifierTrainingModel model, ClassificationDataset training,
        ClassificationDataset? validation, TrainingOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return new(model, training, validation, options);
    }

    private sealed class TextTask(
        IClassifierTrainingModel model, ClassificationDataset training,
        ClassificationDataset? validation, TrainingOptions options) : ITrainingTask
    {
        private readonly ClassificationBatcher batcher =
            new(training, Rows(training, options), model.Positions, options.Seed);

        private readonly ClassificationBatcher? held = validation is null ? null
            : new(validation, Rows(validation, options), model.Positions, seed: null);

        private readonly LabelRanking ranking = new(model.Backend.Memory);

        public ParameterSet Parameters => model.Parameters;

        public string ConfigJson { get; } = model.ConfigJson;

        public string DataFingerprint => training.Fingerprint;

        public bool HasValidation => held is not null;

        public int BatchCount => batcher.BatchCount;

        public void StartEpoch(int epoch) => batcher.StartEpoch(epoch);

        public long Labels(int batch) => batcher.Count(batch);

        public long Tokens(int batch) => (long)batcher.Count(batch) * batcher.Length;

        public CompiledGraph Load(int batch)
        {
            CompiledGraph graph = model.TrainingGraph(
                batcher.Rows, batcher.Length, options.LabelSmoothing);
            batcher.Load(batch, graph);
            return graph;
        }

        public EvaluationResult Evaluate(CancellationToken cancellation) => Measure(
            model, held ?? throw new InvalidOperationException(
                "ClassifierTrainer: there are no texts to validate with."),
            ranking, cancellation);

        private static int Rows(ClassificationDataset texts, TrainingOptions options) =>
            Math.Max(1, options.TokensPerBatch / texts.Longest);
    }
}
