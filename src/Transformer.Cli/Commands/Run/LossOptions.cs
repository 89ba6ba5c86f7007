using System.CommandLine;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary>What <c>run cross-entropy</c> and <c>run nll-loss</c> have in common.</summary>
internal sealed class LossOptions
{
    private readonly Option<string> labels = RunOptions.Required(
        "--labels", "Classes [N] or [N, ...].");
    private readonly Option<string?> weights = RunOptions.Optional(
        "--weights", "A weight for each class [C].");
    private readonly OptionalNumberOption<int> ignore = new("--ignore-index")
    {
        Description = "Label that does not count; it need not be a class.",
    };

    private readonly Option<string> reduction = new("--reduction")
    {
        Description = "none, mean (weighted by the labels' classes) or sum.",
        DefaultValueFactory = _ => "mean",
    };

    private readonly Option<string> output = RunOptions.Required(
        "--out", "Receives the loss: one number, or shaped as the labels.");

    private readonly Option<string> scores;

    /// <summary>Makes the options of one command.</summary>
    /// <param name="scoresDescription">Help for <c>--scores</c>.</param>
    public LossOptions(string scoresDescription)
    {
        scores = RunOptions.Required("--scores", scoresDescription);
        reduction.AcceptOnlyFromAmong("none", "mean", "sum");
    }

    /// <summary>Every option but those that only one command has.</summary>
    public IEnumerable<Option> All => [scores, labels, weights, ignore, reduction, output];

    /// <summary>Reads the files.</summary>
    /// <exception cref="ArgumentException">Shapes do not fit one another.</exception>
    public LossTensors Read(string command, NpyTensors files, ParseResult parsed)
    {
        Tensor values = files.RequiredFloats(parsed.GetRequiredValue(scores), "--scores");
        Tensor targets = files.Integers(parsed.GetRequiredValue(labels), "--labels")!;
        long[] sizes = values.Shape.ToArray();
        bool fits = sizes.Length >= 2 && targets.Shape.Rank == sizes.Length - 1 &&
            targets.Shape.ToArray().SequenceEqual([sizes[0], .. sizes[2..]]);
        if (!fits)
        {
            throw new ArgumentException($"{command}: --labels has shape {targets.Shape}; " +
                $"--scores {values.Shape} expects the same shape without its class axis 1.");
        }

        TensorAxis axis = TensorAxis.Of(command, values.Shape, 1);
        Tensor? classWeights = files.Floats(parsed.GetValue(weights), "--weights",
            new(axis.Length), $"for the classes of --scores {values.Shape}");
        return new(files, values, targets, classWeights, axis)
        {
            IgnoreIndex = parsed.GetValue(ignore),
            Kind = parsed.GetRequiredValue(reduction),
            Path = parsed.GetRequiredValue(output),
        };
    }
}

/// <summary>The tensors of one loss; classes lie on axis 1 of the scores.</summary>
internal sealed record LossTensors(
    NpyTensors Files, Tensor Scores, Tensor Labels, Tensor? Weights, TensorAxis Axis)
{
    public int? IgnoreIndex { get; init; }

    public required string Kind { get; init; }

    public required string Path { get; init; }

    /// <summary>Loss of each label.</summary>
    public Tensor Losses { get; } = Files.Result(Labels.Shape.ToArray());

    /// <summary>Reduced loss.</summary>
    public Tensor Loss { get; } = Files.Result();

    public LossReduction Reduction => Kind == "sum" ? LossReduction.Sum : LossReduction.Mean;

    /// <summary>Writes the losses or the reduced loss.</summary>
    public void Save()
    {
        // The mean of nothing is 0 in the library, so that it does not end a training; here it is
        // what ONNX says: 0/0.
        if (Kind == "mean" && WeighNothing()) Loss.CopyFrom<float>([float.NaN]);
        Files.Save(Path, Kind == "none" ? Losses : Loss);
    }

    private bool WeighNothing()
    {
        int[] labels = new int[Labels.Shape.ElementCount];
        Labels.CopyTo(labels.AsSpan());
        float[]? weights = null;
        if (Weights is not null)
        {
            weights = new float[Axis.Length];
            Weights.CopyTo(weights.AsSpan());
        }

        double total = 0;
        foreach (int label in labels)
        {
            if (label != IgnoreIndex) total += weights?[label] ?? 1;
        }

        return total == 0;
    }
}
