using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run rms-norm</c>.</summary>
internal static class RunRmsNorm
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        NormOptions options = new();
        Command command = new("rms-norm", "Root-mean-square normalisation of .npy files.")
        {
            options.Input, options.Residual, options.Scale, options.Axis, options.Epsilon,
            options.Inverse, options.Output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            NormTensors norm = new("run rms-norm", files, options, parsed);
            string? inversePath = parsed.GetValue(options.Inverse);
            Tensor? inverses = files.ResultFor(inversePath, norm.StatisticShape);
            backend.Run(new RmsNormForward
            {
                Input = norm.Input.View,
                Residual = norm.Residual.ViewOrAbsent(),
                Weight = norm.Scale.ViewOrAbsent(),
                Output = norm.Result.View,
                InverseRms = inverses.ViewOrAbsent(),
                Rows = norm.Rows,
                Width = norm.Width,
                Epsilon = parsed.GetValue(options.Epsilon),
            });
            norm.Save(parsed.GetValue(options.Output));
            files.Save(inversePath, inverses, DType.Float32);
            return Application.Done;
        });
        return command;
    }
}
