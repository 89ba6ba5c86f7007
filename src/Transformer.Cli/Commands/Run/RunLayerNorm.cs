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
        NormOptions options = new();
        Option<string?> bias = RunOptions.Optional(
            "--bias", "Added at the end; any shape that broadcasts to the input.");
        Option<string?> mean = RunOptions.Optional("--mean-out", "Receives the means.");
        Command command = new("layer-norm", "Layer normalisation of .npy files.")
        {
            options.Input, options.Residual, options.Scale, bias, options.Axis, options.Epsilon,
            mean, options.Inverse, options.Output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            NormTensors norm = new(
                "run layer-norm", files, options, parsed, parsed.GetValue(bias));
            string? meanPath = parsed.GetValue(mean);
            string? inversePath = parsed.GetValue(options.Inverse);
            Tensor? means = files.ResultFor(meanPath, norm.StatisticShape);
            Tensor? inverses = files.ResultFor(inversePath, norm.StatisticShape);
            backend.Run(new LayerNormForward
            {
                Input = norm.Input.View,
                Residual = norm.Residual.ViewOrAbsent(),
                Weight = norm.Scale.ViewOrAbsent(),
                Bias = norm.Bias.ViewOrAbsent(),
                Output = norm.Result.View,
                Mean = means.ViewOrAbsent(),
                InverseStd = inverses.ViewOrAbsent(),
                Rows = norm.Rows,
                Width = norm.Width,
                Epsilon = parsed.GetValue(options.Epsilon),
            });
            norm.Save(parsed.GetValue(options.Output));
            files.Save(meanPath, means, DType.Float32);
            files.Save(inversePath, inverses, DType.Float32);
            return Application.Done;
        });
        return command;
    }
}
