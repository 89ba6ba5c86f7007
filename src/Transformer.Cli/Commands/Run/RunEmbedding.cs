using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run embedding</c>.</summary>
internal static class RunEmbedding
{
    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        Option<string> table = RunOptions.Required("--table", "Vectors [vocabulary, width].");
        Option<string> ids = RunOptions.Required("--ids", "Token ids [...], [..., sequence].");
        Option<string?> positions = RunOptions.Optional(
            "--positions", "Position vectors [positions, width].");
        Option<string?> segments = RunOptions.Optional(
            "--segments", "Segment vectors [segments, width].");
        Option<string?> segmentIds = RunOptions.Optional(
            "--segment-ids", "Segment ids, shaped as the token ids.");
        Option<double> scale = new("--scale")
        {
            Description = "Multiplies the token's vector; 0 means 1.",
            DefaultValueFactory = _ => 1,
        };
        Option<string> output = RunOptions.Required("--out", "Receives [..., width].");
        Command command = new("embedding", "Token + position + segment vectors, on .npy files.")
        {
            table, ids, positions, segments, segmentIds, scale, output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed =>
        {
            using NpyTensors files = common.Open(parsed, out Backend backend);
            Tensor vectors = files.RequiredFloats(parsed.GetRequiredValue(table), "--table");
            files.RequireRank(vectors, "--table", 2);
            Tensor tokens = files.Integers(parsed.GetRequiredValue(ids), "--ids")!;
            files.RequireRank(tokens, "--ids", 1, 2, 3, 4, 5, 6, 7);
            string reason = $"for --table {vectors.Shape}";
            Tensor? places = files.Floats(parsed.GetValue(positions), "--positions");
            Tensor? kinds = files.Floats(parsed.GetValue(segments), "--segments");
            Tensor? kindIds = files.Integers(parsed.GetValue(segmentIds), "--segment-ids");
            if (places is not null) RequireTable(files, places, "--positions", vectors, reason);
            if (kinds is not null) RequireTable(files, kinds, "--segments", vectors, reason);
            if (kinds is null != kindIds is null)
            {
                throw new ArgumentException("run embedding: --segments and --segment-ids go " +
                    "together. Give both or neither.");
            }

            if (kindIds is not null)
            {
                files.RequireShape(
                    kindIds, "--segment-ids", tokens.Shape, $"as --ids {tokens.Shape}");
            }

            Tensor result = files.Result([.. tokens.Shape.ToArray(), vectors.Shape[1]]);
            if (tokens.Shape.ElementCount > 0)
            {
                backend.Run(new EmbeddingForward
                {
                    Ids = tokens.View,
                    Table = vectors.View,
                    PositionTable = places.ViewOrAbsent(),
                    SegmentTable = kinds.ViewOrAbsent(),
                    SegmentIds = kindIds.ViewOrAbsent(),
                    Output = result.View,
                    Rows = checked((int)tokens.Shape.ElementCount),
                    SequenceLength = checked((int)tokens.Shape[^1]),
                    Width = checked((int)vectors.Shape[1]),
                    Scale = parsed.GetValue(scale),
                });
            }

            files.Save(parsed.GetValue(output), result);
            return Application.Done;
        });
        return command;
    }

    private static void RequireTable(
        NpyTensors files, Tensor table, string option, Tensor vectors, string reason)
    {
        files.RequireRank(table, option, 2);
        files.RequireLastAxis(table, option, vectors.Shape[1], reason);
    }
}
