using Transformer.Backends;
using Transformer.Models.Generation;
using Transformer.Models.Training;
using Transformer.Numerics;
using Transformer.Verification;

namespace Transformer.Models.Measurement;

/// <summary>Measures whole models with random weights on random tokens: training, reading a
/// prompt, greedy decoding; against the machine's limits, and how much of the time is spent
/// outside kernels.</summary>
public sealed class ModelBench
{
    private const int Gpt2Batch = 4, Gpt2Window = 64, Prompt = 512, Base = 10000, BaseRows = 16,
        BaseLength = 32;

    private readonly MachineLimits limits;
    private readonly ModelBenchOptions options;
    private readonly Backend backend;

    private ModelBench(MachineLimits limits, ModelBenchOptions options)
    {
        this.limits = limits;
        this.options = options;
        backend = options.Backend ?? BackendRegistry.Default;
    }

    /// <summary>Measures all models, one row after the other.</summary>
    /// <param name="limits">Of this machine.</param>
    /// <param name="options">Null: the real models on the best backend.</param>
    /// <param name="cancellation">Stops after a repetition.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IEnumerable<ModelBenchRow> Run(
        MachineLimits limits, ModelBenchOptions? options = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(limits);
        return new ModelBench(limits, options ?? new()).Rows(cancellation);
    }

    private IEnumerable<ModelBenchRow> Rows(CancellationToken cancellation)
    {
        GptConfig small = Shrunk(GptConfig.Preset("nanogpt-cpu"));
        using (Gpt model = new(small, backend, seed: 1))
            yield return Train("nanogpt-cpu", model, 12, small.Positions, cancellation);
        yield return TrainTranslator(cancellation);
        using Gpt gpt2 = new(Shrunk(GptConfig.Preset("gpt2")), backend, seed: 1);
        yield return Read(gpt2, cancellation);
        yield return Decode(gpt2, cancellation);
        yield return Train("gpt2", gpt2, Gpt2Batch, Gpt2Window, cancellation);
    }

    private GptConfig Shrunk(GptConfig config) => !options.Quick ? config : config with
    {
        Vocabulary = 50,
        Positions = Math.Min(config.Positions, 80),
        Layers = 2,
        Heads = 2,
        Width = 16,
    };

    private ModelBenchRow Train(
        string name, Gpt model, int batch, int length, CancellationToken cancellation)
    {
        TokenDataset text = new(Tokens(1 + (8 * batch * length), model.Config.Vocabulary));
        using GptTrainer trainer = new(
            model, text, null, Endless with { TokensPerBatch = batch * length }, length: length);
        Repetitions times = Steps(trainer, cancellation);
        // Backward: two products for each one, and five of attention for its two, which is less
        // than the difference between causal and needed work; all count as two.
        return Row(times, name, "training step", $"B{batch} T{length}", batch * length,
            3 * model.Config.ForwardOperations(batch, length));
    }

    private ModelBenchRow TrainTranslator(CancellationToken cancellation)
    {
        Seq2SeqConfig config = !options.Quick ? Seq2SeqConfig.Base(Base, Base)
            : Seq2SeqConfig.Tiny(50, 50) with { Width = 16, FeedForwardWidth = 32, Heads = 2 };
        (int rows, int length) = options.Quick ? (4, 8) : (BaseRows, BaseLength);
        using Seq2SeqTransformer model = new(config, backend, seed: 1);
        int[] tokens = Tokens(8 * rows * length, config.SourceVocabulary - 4);
        IEnumerable<(int[], int[])> pairs = tokens.Chunk(length).Select(
            s => (Array.ConvertAll(s, t => t + 4), Array.ConvertAll(s[1..], t => t + 4)));
        ParallelDataset data = new(pairs, Text.SpecialTokens.Default, config.MaxPositions);
        using Seq2SeqTrainer trainer =
            new(model, data, null, Endless with { TokensPerBatch = rows * length });
        return Row(Steps(trainer, cancellation), "seq2seq-base", "training step",
            $"B{rows} S{length} T{length}", rows * length, 3 * Operations(config, rows, length));
    }

    private ModelBenchRow Read(Gpt model, CancellationToken cancellation)
    {
        int length = Math.Min(Prompt, model.Config.Positions);
        int[] prompt = Tokens(length, model.Config.Vocabulary);
        Repetitions times = new(options.Budget);
        times.Run(profile =>
        {
            model.Session.PromptGraph(length).Profile = profile;
            model.Session.Read(prompt);
        }, cancellation);

        // Logits, and the last layer but for keys and values, of the last position alone.
        double width = model.Config.Width, others = length - 1;
        double spared = 2 * others * width *
            (model.Config.Vocabulary + (10 * width) + length);
        return Row(times, "gpt2", "prompt", $"{length} tokens", length,
            model.Config.ForwardOperations(1, length) - spared);
    }

    private ModelBenchRow Decode(Gpt model, CancellationToken cancellation)
    {
        const int Start = 16;
        GptSession session = model.Session;
        TokenSampler sampler = new(model.Config.Vocabulary, SamplingOptions.Greedy);
        int[] prompt = Tokens(Start, model.Config.Vocabulary);
        int token = sampler.Next(session.Read(prompt), 0);
        Repetitions times = new(options.Budget);
        times.Run(profile =>
        {
            if (session.Length == model.Config.Positions) session.Read(prompt);
            session.Stepper.Profile = profile;
            token = sampler.Next(session.Step(token), 0);
        }, cancellation);
        long weights = model.Parameters.Count -
            ((long)model.Config.Positions * model.Config.Width);
        ModelBenchRow row = Row(times, "gpt2", "greedy decode", "1 token",
            1, model.Config.ForwardOperations(1, 1));
        double gigabytes = weights * sizeof(float) / (row.Milliseconds * 1e6);
        return row with { WeightGBs = gigabytes, OfRead = gigabytes / limits.ReadGBs };
    }

    private Repetitions Steps(Trainer trainer, CancellationToken cancellation)
    {
        Repetitions times = new(options.Budget);
        using CancellationTokenSource enough =
            CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        trainer.Run(new StepTimer(times, trainer, enough), enough.Token);
        cancellation.ThrowIfCancellationRequested();
        return times;
    }

    private ModelBenchRow Row(
        Repetitions times, string model, string work, string shape, int tokens,
        double operations)
    {
        double milliseconds = times.Milliseconds;
        double gflops = operations / (milliseconds * 1e6);
        return new()
        {
            Model = options.Quick ? $"{model}, shrunk" : model,
            Work = work,
            Shape = shape,
            Milliseconds = milliseconds,
            TokensPerSecond = tokens * 1000 / milliseconds,
            Gflops = gflops,
            OfPeak = gflops / limits.FmaPeakGflops,
            Overhead = times.Overhead,
            Kernels = times.Kernels,
        };
    }

    /// <summary>Products and attention of encoder and decoder; causal attention counts what it
    /// needs.</summary>
    private static double Operations(Seq2SeqConfig config, int rows, int length)
    {
        double width = config.Width, tokens = (double)rows * length;
        double feedForward = 2 * width * config.FeedForwardWidth;
        double encoder = (4 * width * width) + feedForward + (2 * length * width);
        double decoder = (8 * width * width) + feedForward + ((3 * length) + 1) * width;
        return 2 * tokens * ((config.EncoderLayers * encoder) + (config.DecoderLayers * decoder) +
            (width * config.TargetVocabulary));
    }

    private static TrainingOptions Endless { get; } = new()
    {
        Epochs = 0,
        MaxSteps = long.MaxValue / 2,
        Schedule = LearningRateSchedule.Constant,
        LearningRate = 1e-4,
        LabelSmoothing = 0,
        WeightDecay = 0.1,
    };

    private static int[] Tokens(int count, int vocabulary)
    {
        int[] tokens = new int[count];
        for (int i = 0; i < count; i++)
            tokens[i] = (int)(Philox.Word(1, 0xBE4C, 0, (ulong)i) % (uint)vocabulary);
        return tokens;
    }

    /// <summary>Takes the time from step to step, and ends the training when there are enough.
    /// </summary>
    private sealed class StepTimer(
        Repetitions times, Trainer trainer, CancellationTokenSource enough) : ITrainingObserver
    {
        private long start = System.Diagnostics.Stopwatch.GetTimestamp();

        public void Stepped(in TrainingProgress progress)
        {
            times.Add(System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds);
            trainer.Profile = times.Profile;
            if (times.Done) enough.Cancel();
            start = System.Diagnostics.Stopwatch.GetTimestamp();
        }
    }
}
