using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run linear</c>.</summary>
internal static class RunLinear
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> x = RunOptions.Required("--x", "Input [..., in].");
        Option<string> weight = RunOptions.Required("--weight", "Weights [out, in].");
        Option<string?> bias = RunOptions.Optional("--bias", "Biases [out].");
        Option<string> activation = ActivationOption("none");
        Option<string> output = RunOptions.Required("--out", "Receives the output [..., out].");
        Command command = new("linear", "x·weightᵀ + bias with an activation, on .npy files.")
        {
            x, weight, bias, activation, output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor input = files.RequiredFloats(parsed.GetRequiredValue(x), "--x");
            Tensor weights = files.RequiredFloats(parsed.GetRequiredValue(weight), "--weight");
            files.RequireRank(weights, "--weight", 2);
            string reason = $"for --weight {weights.Shape}";
            files.RequireLastAxis(input, "--x", weights.Shape[1], reason);
            Tensor result = files.Result([.. input.Shape.ToArray()[..^1], weights.Shape[0]]);
            backend.Run(new LinearForward
            {
                Input = input.View,
                Weight = weights.View,
                Bias = files.Floats(
                    parsed.GetValue(bias), "--bias", new(weights.Shape[0]), reason).ViewOrAbsent(),
                Output = result.View,
                Rows = checked((int)input.Shape.Rows),
                InputFeatures = checked((int)weights.Shape[1]),
                OutputFeatures = checked((int)weights.Shape[0]),
                Activation = ParseActivation(parsed.GetRequiredValue(activation)),
            });
            files.Save(parsed.GetValue(output), result);
            return Application.Done;
        });
        return command;
    }

    /// <summary>The activation by the names that the command line uses.</summary>
    public static Option<string> ActivationOption(string otherwise)
    {
        Option<string> option = new("--activation")
        {
            Description = "none, relu, gelu, gelu-tanh, tanh or silu.",
            DefaultValueFactory = _ => otherwise,
        };
        return option.AcceptOnlyFromAmong(
            "none", "relu", "gelu", "gelu-tanh", "tanh", "silu");
    }

    /// <summary>Parses an activation's name.</summary>
    public static Activation ParseActivation(string name) => name switch
    {
        "relu" => Activation.Relu,
        "gelu" => Activation.Gelu,
        "gelu-tanh" => Activation.GeluTanh,
        "tanh" => Activation.Tanh,
        "silu" => Activation.Silu,
        _ => Activation.None,
    };
}
