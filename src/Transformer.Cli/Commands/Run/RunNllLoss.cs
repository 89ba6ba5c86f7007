using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run nll-loss</c>.</summary>
internal static class RunNllLoss
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        LossOptions options = new("Log-probabilities [N, C] or [N, C, ...]: classes on axis 1.");
        Command command = new("nll-loss", "Negative log-likelihood of .npy files.");
        foreach (Option option in options.All) command.Add(option);
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            LossTensors loss = options.Read("run nll-loss", files, parsed);
            backend.Run(new NegativeLogLikelihoodForward
            {
                LogProbabilities = loss.Scores.View,
                Labels = loss.Labels.View,
                ClassWeights = loss.Weights.ViewOrAbsent(),
                Losses = loss.Losses.View,
                Loss = loss.Loss.View,
                Outer = loss.Axis.Outer,
                Classes = loss.Axis.Length,
                Inner = loss.Axis.Inner,
                IgnoreIndex = loss.IgnoreIndex,
                Reduction = loss.Reduction,
            });
            loss.Save();
            return Application.Done;
        });
        return command;
    }
}
