using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run softmax</c> and <c>run log-softmax</c>.</summary>
internal static class RunSoftmax
{
    /// <summary>Makes <c>run softmax</c>.</summary>
    public static Command Create() => Create(
        "softmax", "Softmax over one axis of a .npy file.", (backend, x, axis, result) =>
            backend.Run(new SoftmaxForward
            {
                Input = x, Output = result, Outer = axis.Outer, Length = axis.Length,
                Inner = axis.Inner,
            }));

    /// <summary>Makes <c>run log-softmax</c>.</summary>
    public static Command CreateLog() => Create(
        "log-softmax", "Log-softmax over one axis of a .npy file.", (backend, x, axis, result) =>
            backend.Run(new LogSoftmaxForward
            {
                Input = x, Output = result, Outer = axis.Outer, Length = axis.Length,
                Inner = axis.Inner,
            }));

    private static Command Create(
        string name, string description, Action<Backend, BufferView, TensorAxis, BufferView> run)
    {
        Option<string> x = RunOptions.Required("--x", "Input, rank 1 or more.");
        NumberOption<int> axis = new("--axis")
        {
            Description = "Axis whose elements are normalised together; negative counts from " +
                "the end.",
            DefaultValueFactory = _ => -1,
        };
        Option<string> output = RunOptions.Required("--out", "Receives the output.");
        Command command = new(name, description) { x, axis, output };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor input = files.RequiredFloats(parsed.GetRequiredValue(x), "--x");
            TensorAxis over = TensorAxis.Of($"run {name}", input.Shape, parsed.GetValue(axis));
            Tensor result = files.Result(input.Shape.ToArray());
            run(backend, input.View, over, result.View);
            files.Save(parsed.GetValue(output), result);
            return Application.Done;
        });
        return command;
    }
}
