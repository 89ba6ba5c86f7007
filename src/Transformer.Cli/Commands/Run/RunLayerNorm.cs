using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run layer-norm</c>.</summary>
internal static class RunLayerNorm
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> x = RunOptions.Required("--x", "Input, any rank.");
        Option<string?> residual = RunOptions.Optional("--residual", "Added to the input first.");
        Option<string?> scale = RunOptions.Optional("--scale", "Weights of the normalised axes.");
        Option<string?> bias = RunOptions.Optional("--bias", "Biases of the normalised axes.");
        Option<int> axis = new("--axis")
        {
            Description = "First normalised axis; all from there on are.",
            DefaultValueFactory = _ => -1,
        };
        Option<double> epsilon = new("--epsilon")
        {
            Description = "Added to the variance; 0 means 1e-5.",
            DefaultValueFactory = _ => 1e-5,
        };
        Option<string?> mean = RunOptions.Optional("--mean-out", "Receives the means.");
        Option<string?> inverse = RunOptions.Optional("--inv-std-out", "Receives 1/std.");
        Option<string> output = RunOptions.Required("--out", "Receives the output.");
        Command command = new("layer-norm", "Layer normalisation of .npy files.")
        {
            x, residual, scale, bias, axis, epsilon, mean, inverse, output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor input = files.RequiredFloats(parsed.GetRequiredValue(x), "--x");
            int first = FirstAxis(input.Shape, parsed.GetValue(axis));
            long[] statistics = input.Shape.ToArray();
            TensorShape normalised = new(statistics.AsSpan(first));
            long width = Width(input.Shape, normalised);
            statistics.AsSpan(first).Fill(1);
            string? meanPath = parsed.GetValue(mean), inversePath = parsed.GetValue(inverse);
            string reason = $"for --x {input.Shape}";
            Tensor result = files.Result(input.Shape.ToArray());
            Tensor? means = files.ResultFor(meanPath, statistics);
            Tensor? inverses = files.ResultFor(inversePath, statistics);
            backend.Run(new LayerNormForward
            {
                Input = input.View,
                Residual = files.Floats(
                    parsed.GetValue(residual), "--residual", input.Shape, reason).ViewOrAbsent(),
                Weight = files.Floats(
                    parsed.GetValue(scale), "--scale", normalised, reason).ViewOrAbsent(),
                Bias = files.Floats(
                    parsed.GetValue(bias), "--bias", normalised, reason).ViewOrAbsent(),
                Output = result.View,
                Mean = means.ViewOrAbsent(),
                InverseStd = inverses.ViewOrAbsent(),
                Rows = checked((int)(input.Shape.ElementCount / width)),
                Width = checked((int)width),
                Epsilon = parsed.GetValue(epsilon),
            });
            files.Save(parsed.GetValue(output), result);
            files.Save(meanPath, means, single: true);
            files.Save(inversePath, inverses, single: true);
            return Application.Done;
        });
        return command;
    }

    /// <summary>The first normalised axis, counted from the front.</summary>
    private static int FirstAxis(TensorShape shape, int axis)
    {
        int first = axis < 0 ? axis + shape.Rank : axis;
        if (first >= 0 && first < shape.Rank) return first;
        string remedy = shape.Rank == 0
            ? "Give it an axis" : $"Use {-shape.Rank} to {shape.Rank - 1}";
        throw new ArgumentException(
            $"run layer-norm: --axis is {axis}; --x has shape {shape}. {remedy}.");
    }

    private static long Width(TensorShape shape, TensorShape normalised) =>
        normalised.ElementCount > 0 ? normalised.ElementCount : throw new ArgumentException(
            $"run layer-norm: --x has shape {shape}, whose normalised axes {normalised} are " +
            "empty. Choose another --axis.");
}
