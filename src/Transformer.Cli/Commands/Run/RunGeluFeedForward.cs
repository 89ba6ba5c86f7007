using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run gelu-ffn</c>.</summary>
internal static class RunGeluFeedForward
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> x = RunOptions.Required("--x", "Input [..., width].");
        Option<string> weight1 = RunOptions.Required("--weight1", "Weights [hidden, width].");
        Option<string?> bias1 = RunOptions.Optional("--bias1", "Biases [hidden].");
        Option<string> weight2 = RunOptions.Required("--weight2", "Weights [out, hidden].");
        Option<string?> bias2 = RunOptions.Optional("--bias2", "Biases [out].");
        Option<string> activation = RunLinear.ActivationOption("gelu");
        Option<string> output = RunOptions.Required("--out", "Receives the output [..., out].");
        Command command = new("gelu-ffn", "The feed-forward network, fused, on .npy files.")
        {
            x, weight1, bias1, weight2, bias2, activation, output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor input = files.RequiredFloats(parsed.GetRequiredValue(x), "--x");
            Tensor first = files.RequiredFloats(parsed.GetRequiredValue(weight1), "--weight1");
            Tensor second = files.RequiredFloats(parsed.GetRequiredValue(weight2), "--weight2");
            files.RequireRank(first, "--weight1", 2);
            files.RequireRank(second, "--weight2", 2);
            string reason1 = $"for --weight1 {first.Shape}";
            string reason2 = $"for --weight2 {second.Shape}";
            files.RequireLastAxis(input, "--x", first.Shape[1], reason1);
            files.RequireLastAxis(second, "--weight2", first.Shape[0], reason1);
            Tensor result = files.Result([.. input.Shape.ToArray()[..^1], second.Shape[0]]);
            backend.Run(new GeluFeedForwardForward
            {
                Input = input.View,
                Weight1 = first.View,
                Bias1 = files.Floats(
                    parsed.GetValue(bias1), "--bias1", new(first.Shape[0]), reason1)
                    .ViewOrAbsent(),
                Weight2 = second.View,
                Bias2 = files.Floats(
                    parsed.GetValue(bias2), "--bias2", new(second.Shape[0]), reason2)
                    .ViewOrAbsent(),
                Output = result.View,
                Rows = checked((int)input.Shape.Rows),
                Width = checked((int)first.Shape[1]),
                Hidden = checked((int)first.Shape[0]),
                OutputWidth = checked((int)second.Shape[0]),
                Activation = RunLinear.ParseActivation(parsed.GetRequiredValue(activation)),
            });
            files.Save(parsed.GetValue(output), result);
            return Application.Done;
        });
        return command;
    }
}
