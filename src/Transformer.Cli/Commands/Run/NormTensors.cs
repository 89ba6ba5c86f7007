using System.CommandLine;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary>What <c>run layer-norm</c> and <c>run rms-norm</c> have in common: input, residual,
/// axes, scale and bias.</summary>
internal sealed class NormOptions
{
    public Option<string> Input { get; } = RunOptions.Required("--x", "Input, any rank.");

    public Option<string?> Residual { get; } =
        RunOptions.Optional("--residual", "Added to the input first; shaped as it.");

    public Option<string?> Scale { get; } = RunOptions.Optional(
        "--scale", "Multiplies the normalised input; any shape that broadcasts to it.");

    public NumberOption<int> Axis { get; } = new("--axis")
    {
        Description = "First normalised axis; all from there on are. Negative counts from the end.",
        DefaultValueFactory = _ => -1,
    };

    public NumberOption<double> Epsilon { get; } = new("--epsilon")
    {
        Description = "Added to the variance, or to the mean square.",
        DefaultValueFactory = _ => 1e-5,
    };

    public Option<string?> Inverse { get; } = RunOptions.Optional(
        "--inv-std-out", "Receives 1/√(variance + ε), or 1/√(mean square + ε).");

    public Option<string> Output { get; } =
        RunOptions.Required("--out", "Receives the output.");
}

/// <summary>The tensors of one normalisation, seen as rows of the normalised axes.</summary>
internal sealed class NormTensors
{
    private readonly NpyTensors files;
    private readonly float[]? outerScale, outerBias;

    /// <summary>Reads the files.</summary>
    /// <exception cref="ArgumentException">A shape does not fit the input's.</exception>
    public NormTensors(
        string command, NpyTensors files, NormOptions options, ParseResult parsed,
        string? biasPath = null)
    {
        this.files = files;
        Input = files.RequiredFloats(parsed.GetRequiredValue(options.Input), "--x");
        TensorShape shape = Input.Shape;
        int first = TensorAxis.Of(command, shape, parsed.GetValue(options.Axis)).Index;
        TensorShape normalised = new(shape.ToArray().AsSpan(first));
        if (normalised.ElementCount == 0)
        {
            throw new ArgumentException($"{command}: --x has shape {shape}, whose normalised " +
                $"axes {normalised} are empty. Choose another --axis.");
        }

        Width = checked((int)normalised.ElementCount);
        Rows = checked((int)(shape.ElementCount / Width));
        StatisticShape = shape.ToArray();
        StatisticShape.AsSpan(first).Fill(1);
        Residual = files.Floats(
            parsed.GetValue(options.Residual), "--residual", shape, $"for --x {shape}");
        BroadcastTensor? scale = Read(command, "--scale", parsed.GetValue(options.Scale));
        BroadcastTensor? bias = Read(command, "--bias", biasPath);
        Result = files.Result(shape.ToArray());
        bool perRow = scale?.Varies(first) == true || bias?.Varies(first) == true;
        if (perRow)
        {
            // The kernels take one scale and one bias for all rows.
            outerScale = scale?.Expand(shape);
            outerBias = bias?.Expand(shape);
            return;
        }

        Scale = Kernel(scale);
        Bias = Kernel(bias);

        Tensor? Kernel(BroadcastTensor? tensor) => tensor is null
            ? null : files.Copy<float>(tensor.Expand(normalised), normalised.ToArray());
    }

    public Tensor Input { get; }

    public Tensor? Residual { get; }

    /// <summary>[Width], for the kernel.</summary>
    public Tensor? Scale { get; }

    /// <summary>[Width], for the kernel.</summary>
    public Tensor? Bias { get; }

    public Tensor Result { get; }

    public int Rows { get; }

    public int Width { get; }

    /// <summary>The input's shape with 1 for the normalised axes.</summary>
    public long[] StatisticShape { get; }

    /// <summary>Writes the kernel's output, with scale and bias where they differ from row to row.
    /// </summary>
    public void Save(string? path)
    {
        if (outerScale is not null || outerBias is not null)
        {
            float[] values = new float[Result.Shape.ElementCount];
            Result.CopyTo(values.AsSpan());
            for (int i = 0; i < values.Length; i++)
            {
                if (outerScale is not null) values[i] *= outerScale[i];
                if (outerBias is not null) values[i] += outerBias[i];
            }

            Result.CopyFrom<float>(values);
        }

        files.Save(path, Result);
    }

    private BroadcastTensor? Read(string command, string option, string? path) =>
        files.Floats(path, option) is { } tensor
            ? new(command, option, tensor, Input.Shape) : null;
}
