using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run rotary</c>.</summary>
internal static class RunRotary
{
    private const string Name = "run rotary";

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> x = RunOptions.Required(
            "--x", "Queries or keys [B, H, S, D], or [B, S, H·D] with --heads.");
        Option<string> cos = RunOptions.Required(
            "--cos", "Cosines [positions, R/2], or one row a token [B, S, R/2].");
        Option<string> sin = RunOptions.Required("--sin", "Sines, likewise.");
        Option<string?> positions = RunOptions.Optional("--positions",
            "Row of each token [B, S]; rows 0, 1, … if not given.");
        Option<bool> interleaved = new("--interleaved")
        {
            Description = "Pairs are neighbours (0, 1), (2, 3), …, not halves (0, R/2), ….",
        };
        NumberOption<int> rotary = new("--rotary-dim")
        {
            Description = "R: leading elements of a head that are rotated; 0, the default: all D.",
        };
        OptionalNumberOption<int> heads = new("--heads")
        {
            Description = "Heads of a rank-3 input.",
        };
        Option<string> output = RunOptions.Required("--out", "Receives the output.");
        Command command = new("rotary", "Rotary position embedding of .npy files.")
        {
            x, cos, sin, positions, interleaved, rotary, heads, output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor input = files.RequiredFloats(parsed.GetRequiredValue(x), "--x");
            files.RequireRank(input, "--x", 3, 4);
            RotarySizes sizes = Sizes(input.Shape, parsed.GetValue(heads));
            AttentionStrides strides = input.Shape.Rank == 3
                ? AttentionStrides.SequenceMajor(sizes.Heads, sizes.Length, sizes.HeadDimension)
                : default;
            Tensor result = files.Result(input.Shape.ToArray());
            Tables tables = Read(files, sizes, parsed.GetValue(rotary),
                parsed.GetRequiredValue(cos), parsed.GetRequiredValue(sin),
                parsed.GetValue(positions));
            backend.Run(new RotaryEmbeddingForward
            {
                Inputs = new()
                {
                    Tables = tables.Rows with { Interleaved = parsed.GetValue(interleaved) },
                    PositionIds = tables.Positions.ViewOrAbsent(),
                    Sizes = sizes,
                    InputStrides = strides,
                    OutputStrides = strides,
                },
                Input = input.View,
                Output = result.View,
            });
            files.Save(parsed.GetValue(output), result);
            return Application.Done;
        });
        return command;
    }

    private static RotarySizes Sizes(TensorShape shape, int? given)
    {
        if (shape.Rank == 4)
        {
            if (given is { } count && shape[1] != count)
            {
                throw new ArgumentException($"{Name}: --x has shape {shape}, {shape[1]} heads; " +
                    $"--heads says {count}. Leave --heads out for rank 4.");
            }

            return new(checked((int)shape[0]), checked((int)shape[1]), checked((int)shape[2]),
                checked((int)shape[3]));
        }

        int heads = given ?? 0;
        if (heads < 1 || shape[2] % heads != 0)
        {
            throw new ArgumentException($"{Name}: --x has shape {shape} and --heads " +
                $"{(given is null ? "is missing" : $"says {heads}")}. Rank 3 needs --heads, and " +
                $"{shape[2]} must be a multiple of it.");
        }

        return new(checked((int)shape[0]), heads, checked((int)shape[1]),
            checked((int)shape[2]) / heads);
    }

    private static Tables Read(
        NpyTensors files, RotarySizes sizes, int rotary, string cosPath, string sinPath,
        string? positionPath)
    {
        Tensor cosines = files.RequiredFloats(cosPath, "--cos");
        Tensor? positions = files.Integers(positionPath, "--positions");
        TensorShape tokens = new(sizes.Batch, sizes.Length);
        if (positions is not null)
        {
            files.RequireShape(
                positions, "--positions", tokens, "for the batch and length of --x");
        }

        int half = (rotary == 0 ? sizes.HeadDimension : rotary) / 2;
        bool gathered = positions is null && cosines.Shape.Rank == 3;
        if (gathered)
        {
            files.RequireShape(cosines, "--cos", new(sizes.Batch, sizes.Length, half),
                "for one row of half the rotated elements a token");
        }
        else
        {
            files.RequireRank(cosines, "--cos", 2);
            files.RequireLastAxis(cosines, "--cos", half, "for half the rotated elements");
        }

        Tensor sines = files.Floats(sinPath, "--sin", cosines.Shape, "as --cos")!;
        RotaryTables rows = new()
        {
            Cosines = cosines.View,
            Sines = sines.View,
            MaxPositions = gathered ? 0 : checked((int)cosines.Shape[0]),
            RotaryDimension = rotary,
        };
        return new(rows, positions);
    }

    private sealed record Tables(RotaryTables Rows, Tensor? Positions);
}
