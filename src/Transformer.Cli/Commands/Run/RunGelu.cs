using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run gelu</c>.</summary>
internal static class RunGelu
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> x = RunOptions.Required("--x", "Input, any rank.");
        Option<string> approximation = new("--approximation")
        {
            Description = "none: x·Φ(x); tanh: ½x(1 + tanh(√(2/π)(x + 0.044715x³))).",
            DefaultValueFactory = _ => "none",
        };
        approximation.AcceptOnlyFromAmong("none", "tanh");
        Option<string> output = RunOptions.Required("--out", "Receives the output.");
        Command command = new("gelu", "GELU of a .npy file.") { x, approximation, output };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor input = files.RequiredFloats(parsed.GetRequiredValue(x), "--x");
            Tensor result = files.Result(input.Shape.ToArray());
            backend.Run(new ActivationForward
            {
                Input = input.View,
                Output = result.View,
                Length = input.Shape.ElementCount,
                Activation = parsed.GetValue(approximation) == "tanh"
                    ? Activation.GeluTanh : Activation.Gelu,
            });
            files.Save(parsed.GetValue(output), result);
            return Application.Done;
        });
        return command;
    }
}
