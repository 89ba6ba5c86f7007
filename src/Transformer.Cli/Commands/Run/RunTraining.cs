using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run dropout</c>.</summary>
internal static class RunDropout
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> x = RunOptions.Required("--x", "Input, any shape.");
        NumberOption<double> probability = new("--probability")
        {
            Description = "p in [0, 1).",
            Required = true,
        };
        NumberOption<ulong> seed = CommonOptions.Seed();
        NumberOption<uint> step = new("--step") { Description = "Training step (0)." };
        NumberOption<uint> stream = new("--stream")
        {
            Description = "Which dropout of a model (0).",
        };
        Option<string> output = RunOptions.Required("--out", "Receives the output.");
        Command command = new("dropout", "Dropout with counter-based random numbers.")
        {
            x, probability, seed, step, stream, output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor input = files.RequiredFloats(parsed.GetRequiredValue(x), "--x");
            Tensor result = files.Result(input.Shape.ToArray());
            long[] state = [unchecked((long)parsed.GetValue(seed)), parsed.GetValue(step)];
            backend.Run(new DropoutForward
            {
                Input = input.View,
                Output = result.View,
                RandomState = files.Copy<long>(state, [2]).View,
                Length = input.Shape.ElementCount,
                Probability = (float)parsed.GetValue(probability),
                Stream = parsed.GetValue(stream),
            });
            files.Save(parsed.GetValue(output), result);
            return Application.Done;
        });
        return command;
    }
}

/// <summary><c>run adamw</c>.</summary>
internal static class RunAdamW
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> parameter = RunOptions.Required("--parameter", "Parameters.");
        Option<string> gradient = RunOptions.Required("--gradient", "Gradients.");
        Option<string?> first = RunOptions.Optional("--m", "First moments; zeros if not given.");
        Option<string?> second = RunOptions.Optional("--v", "Second moments; likewise.");
        NumberOption<double> rate = Number("--learning-rate", "η.", 1e-3);
        NumberOption<double> beta1 = Number("--beta1", "β₁.", 0.9);
        NumberOption<double> beta2 = Number("--beta2", "β₂.", 0.999);
        NumberOption<double> epsilon = Number("--epsilon", "ε.", 1e-8);
        NumberOption<double> decay = Number("--weight-decay", "λ.", 0.01);
        NumberOption<int> step = new("--step")
        {
            Description = "t, 1 for the first.",
            DefaultValueFactory = _ => 1,
        };
        Option<string> output = RunOptions.Required("--out", "Receives the parameters.");
        Option<string?> firstOut = RunOptions.Optional("--m-out", "Receives first moments.");
        Option<string?> secondOut = RunOptions.Optional("--v-out", "Receives second moments.");
        Command command = new("adamw", "One optimizer step on .npy files.")
        {
            parameter, gradient, first, second, rate, beta1, beta2, epsilon, decay, step, output,
            firstOut, secondOut,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor values = files.RequiredFloats(
                parsed.GetRequiredValue(parameter), "--parameter");
            long[] shape = values.Shape.ToArray();
            string reason = $"as --parameter {values.Shape}";
            Tensor m = files.Floats(parsed.GetValue(first), "--m", values.Shape, reason)
                ?? files.Result(shape);
            Tensor v = files.Floats(parsed.GetValue(second), "--v", values.Shape, reason)
                ?? files.Result(shape);
            backend.Run(new AdamWForward
            {
                Parameter = values.View,
                Gradient = files.Floats(
                    parsed.GetRequiredValue(gradient), "--gradient", values.Shape, reason)!.View,
                FirstMoment = m.View,
                SecondMoment = v.View,
                Length = values.Shape.ElementCount,
                LearningRate = parsed.GetValue(rate),
                Beta1 = parsed.GetValue(beta1),
                Beta2 = parsed.GetValue(beta2),
                Epsilon = parsed.GetValue(epsilon),
                WeightDecay = parsed.GetValue(decay),
                Step = parsed.GetValue(step),
            });
            files.Save(parsed.GetValue(output), values);
            files.Save(parsed.GetValue(firstOut), m, DType.Float32);
            files.Save(parsed.GetValue(secondOut), v, DType.Float32);
            return Application.Done;
        });
        return command;
    }

    private static NumberOption<double> Number(string name, string description, double otherwise) =>
        new(name) { Description = description, DefaultValueFactory = _ => otherwise };
}

/// <summary><c>run gradient-norm</c>.</summary>
internal static class RunGradientNorm
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> gradient = RunOptions.Required("--gradient", "Gradients, any shape.");
        NumberOption<double> maximum = new("--max-norm")
        {
            Description = "Largest norm; 0, the default: none.",
        };
        Option<string> output = RunOptions.Required("--out", "Receives [norm, clip scale].");
        Command command = new("gradient-norm", "L2 norm and clip scale of a .npy file.")
        {
            gradient, maximum, output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor values = files.RequiredFloats(parsed.GetRequiredValue(gradient), "--gradient");
            Tensor result = files.Result(2);
            backend.Run(new GradientNormForward
            {
                Gradient = values.View,
                Norm = result.View.Slice(0, 1),
                ClipScale = result.View.Slice(1, 1),
                Length = values.Shape.ElementCount,
                MaxNorm = parsed.GetValue(maximum),
            });
            files.Save(parsed.GetValue(output), result, DType.Float32);
            return Application.Done;
        });
        return command;
    }
}
