using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run cross-entropy</c>.</summary>
internal static class RunCrossEntropy
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        LossOptions options = new("Logits [N, C] or [N, C, ...]: classes on axis 1.");
        NumberOption<double> smoothing = new("--label-smoothing") { Description = "ε in [0, 1]." };
        Option<string?> logProbabilities = RunOptions.Optional(
            "--log-prob-out", "Receives the log-probabilities, shaped as the scores.");
        Command command = new("cross-entropy", "Softmax cross entropy of .npy files.");
        foreach (Option option in options.All) command.Add(option);
        command.Add(smoothing);
        command.Add(logProbabilities);
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            LossTensors loss = options.Read("run cross-entropy", files, parsed);
            TensorAxis axis = loss.Axis;
            int rows = checked(axis.Outer * axis.Inner);
            backend.Run(new SoftmaxCrossEntropyForward
            {
                Logits = ClassesLast(files, loss.Scores, axis).View,
                Labels = loss.Labels.View,
                ClassWeights = loss.Weights.ViewOrAbsent(),
                RowLosses = loss.Losses.View,
                LogSumExp = files.Result(rows).View,
                Loss = loss.Loss.View,
                Rows = rows,
                Classes = axis.Length,
                LabelSmoothing = parsed.GetValue(smoothing),
                IgnoreIndex = loss.IgnoreIndex,
                Reduction = loss.Reduction,
            });
            loss.Save();
            if (parsed.GetValue(logProbabilities) is { } path)
            {
                Tensor logs = files.Result(loss.Scores.Shape.ToArray());
                backend.Run(new LogSoftmaxForward
                {
                    Input = loss.Scores.View, Output = logs.View, Outer = axis.Outer,
                    Length = axis.Length, Inner = axis.Inner,
                });
                files.Save(path, logs);
            }

            return Application.Done;
        });
        return command;
    }

    /// <summary>[N, C, inner] as [N·inner, C]: the kernel takes rows of classes.</summary>
    private static Tensor ClassesLast(NpyTensors files, Tensor scores, TensorAxis axis)
    {
        if (axis.Inner == 1) return scores;
        float[] values = new float[scores.Shape.ElementCount];
        scores.CopyTo(values.AsSpan());
        float[] rows = new float[values.Length];
        int plane = axis.Length * axis.Inner;
        for (int i = 0; i < values.Length; i++)
        {
            (int outer, int rest) = Math.DivRem(i, plane);
            (int label, int inner) = Math.DivRem(rest, axis.Inner);
            rows[(((outer * axis.Inner) + inner) * axis.Length) + label] = values[i];
        }

        return files.Copy<float>(rows, [axis.Outer * axis.Inner, axis.Length]);
    }
}
