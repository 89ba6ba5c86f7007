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
        Option<string> scores = RunOptions.Required(
            "--scores", "Logits [N, C] or [N, C, ...]: classes on axis 1.");
        Option<string> labels = RunOptions.Required("--labels", "Labels [N] or [N, ...].");
        Option<int?> ignore = new("--ignore-index") { Description = "Label that does not count." };
        Option<double> smoothing = new("--label-smoothing") { Description = "ε in [0, 1]." };
        Option<string> reduction = new("--reduction")
        {
            Description = "none, mean or sum.",
            DefaultValueFactory = _ => "mean",
        };
        reduction.AcceptOnlyFromAmong("none", "mean", "sum");
        Option<string?> logProbabilities = RunOptions.Optional(
            "--log-prob-out", "Receives the log-probabilities, shaped as the scores.");
        Option<string> output = RunOptions.Required("--out", "Receives the loss.");
        Command command = new("cross-entropy", "Softmax cross entropy of .npy files.")
        {
            scores, labels, ignore, smoothing, reduction, logProbabilities, output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor logits = files.RequiredFloats(parsed.GetRequiredValue(scores), "--scores");
            Tensor targets = files.Integers(parsed.GetRequiredValue(labels), "--labels")!;
            ClassAxis axis = ClassAxis.Of(logits.Shape, targets.Shape);
            float[] rowsFirst = axis.ToRows(logits);
            Tensor rows = files.Copy<float>(rowsFirst, [axis.Rows, axis.Classes]);
            Tensor losses = files.Result(targets.Shape.ToArray());
            Tensor sums = files.Result(axis.Rows);
            Tensor loss = files.Result(1);
            string kind = parsed.GetRequiredValue(reduction);
            backend.Run(new SoftmaxCrossEntropyForward
            {
                Logits = rows.View,
                Labels = targets.View,
                RowLosses = losses.View,
                LogSumExp = sums.View,
                Loss = loss.View,
                Rows = checked((int)axis.Rows),
                Classes = checked((int)axis.Classes),
                LabelSmoothing = parsed.GetValue(smoothing),
                IgnoreIndex = parsed.GetValue(ignore),
                Reduction = kind == "sum" ? LossReduction.Sum : LossReduction.Mean,
            });
            Tensor scalar = files.Result();
            float[] value = new float[1];
            loss.CopyTo(value.AsSpan());
            scalar.CopyFrom<float>(value);
            files.Save(parsed.GetValue(output), kind == "none" ? losses : scalar);
            if (parsed.GetValue(logProbabilities) is { } path)
            {
                float[] logs = axis.LogProbabilities(rowsFirst, sums);
                files.Save(path, files.Copy<float>(logs, logits.Shape.ToArray()));
            }

            return Application.Done;
        });
        return command;
    }

    /// <summary>Logits whose classes lie on axis 1, seen as rows of classes.</summary>
    private readonly record struct ClassAxis(long Batch, long Classes, long Inner)
    {
        public long Rows => Batch * Inner;

        public static ClassAxis Of(TensorShape scores, TensorShape labels)
        {
            long[] sizes = scores.ToArray();
            bool fits = scores.Rank >= 2 && labels.Rank == scores.Rank - 1 &&
                labels.ToArray().SequenceEqual([sizes[0], .. sizes[2..]]);
            if (!fits)
            {
                throw new ArgumentException($"run cross-entropy: --labels has shape {labels}; " +
                    $"--scores {scores} expects the same shape without its class axis 1.");
            }

            long inner = sizes[2..].Aggregate(1L, (product, size) => product * size);
            return new(sizes[0], sizes[1], inner);
        }

        public float[] ToRows(Tensor scores)
        {
            float[] values = new float[scores.Shape.ElementCount];
            scores.CopyTo(values.AsSpan());
            if (Inner == 1) return values;
            float[] rows = new float[values.Length];
            for (long i = 0; i < values.Length; i++) rows[RowIndex(i)] = values[i];
            return rows;
        }

        public float[] LogProbabilities(float[] rows, Tensor sums)
        {
            float[] logSumExp = new float[Rows];
            sums.CopyTo(logSumExp.AsSpan());
            float[] logs = new float[rows.Length];
            for (long i = 0; i < logs.Length; i++)
            {
                long at = RowIndex(i);
                logs[i] = rows[at] - logSumExp[at / Classes];
            }

            return logs;
        }

        private long RowIndex(long index)
        {
            long inner = index % Inner, rest = index / Inner;
            return ((((rest / Classes) * Inner) + inner) * Classes) + (rest % Classes);
        }
    }
}
