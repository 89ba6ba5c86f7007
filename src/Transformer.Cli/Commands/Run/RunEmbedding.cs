using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run embedding</c>.</summary>
internal sealed class RunEmbedding
{
    private readonly Option<string> table = RunOptions.Required(
        "--table", "Vectors [vocabulary, width], or any rank: its first axis is gathered.");
    private readonly Option<string> ids = RunOptions.Required(
        "--ids", "Token ids [..., sequence], any rank; negative ones count from the end.");
    private readonly Option<string?> positions = RunOptions.Optional(
        "--positions", "Position vectors [positions, width].");
    private readonly Option<string?> segments = RunOptions.Optional(
        "--segments", "Segment vectors [segments, width].");
    private readonly Option<string?> segmentIds = RunOptions.Optional(
        "--segment-ids", "Segment ids, shaped as the token ids.");
    private readonly Option<double> scale = new("--scale")
    {
        Description = "Multiplies the token's vector; 0 means 1.",
        DefaultValueFactory = _ => 1,
    };

    private readonly Option<string> output = RunOptions.Required(
        "--out", "Receives [..., width].");

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        RunEmbedding options = new();
        Command command = new("embedding", "Token + position + segment vectors, on .npy files.")
        {
            options.table, options.ids, options.positions, options.segments, options.segmentIds,
            options.scale, options.output,
        };
        RunOptions common = new(command);
        command.SetAction(parsed => options.Run(parsed, common));
        return command;
    }

    private int Run(ParseResult parsed, RunOptions common)
    {
        using NpyTensors files = common.Open(parsed, out Backend backend);
        Tensor vectors = files.RequiredFloats(parsed.GetRequiredValue(table), "--table");
        Tensor tokens = files.Integers(parsed.GetRequiredValue(ids), "--ids")!;
        Gathered gathered = Gathered.Of(vectors.Shape, tokens.Shape);
        ResolveIds(tokens, gathered.Rows, vectors.Shape);
        string reason = $"for --table {vectors.Shape}";
        Tensor? places = files.Floats(parsed.GetValue(positions), "--positions");
        if (places is not null) RequireTable(files, places, "--positions", gathered, reason);
        (Tensor? kinds, Tensor? kindIds) = Segments(parsed, files, tokens.Shape);
        if (kinds is not null) RequireTable(files, kinds, "--segments", gathered, reason);
        Tensor result = files.Result(gathered.Shape);
        if (result.Shape.ElementCount > 0)
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
                SequenceLength = tokens.Shape.Rank == 0 ? 1 : checked((int)tokens.Shape[^1]),
                Width = gathered.Width,
                Scale = parsed.GetValue(scale),
            });
        }

        files.Save(parsed.GetValue(output), result);
        return Application.Done;
    }

    private (Tensor? Table, Tensor? Ids) Segments(
        ParseResult parsed, NpyTensors files, TensorShape tokens)
    {
        Tensor? kinds = files.Floats(parsed.GetValue(segments), "--segments");
        Tensor? kindIds = files.Integers(parsed.GetValue(segmentIds), "--segment-ids");
        if (kinds is null != kindIds is null)
        {
            throw new ArgumentException("run embedding: --segments and --segment-ids go " +
                "together. Give both or neither.");
        }

        if (kindIds is not null)
        {
            files.RequireShape(kindIds, "--segment-ids", tokens, $"as --ids {tokens}");
        }

        return (kinds, kindIds);
    }

    /// <summary>Ids from −rows to −1 become ids from 0 on.</summary>
    private static void ResolveIds(Tensor tokens, long rows, TensorShape table)
    {
        int[] ids = new int[tokens.Shape.ElementCount];
        tokens.CopyTo(ids.AsSpan());
        for (int i = 0; i < ids.Length; i++)
        {
            if (ids[i] < -rows || ids[i] >= rows)
            {
                string remedy = rows == 0 ? "Give" : $"Use {-rows} to {rows - 1}, or give";
                throw new ArgumentException($"run embedding: --ids[{i}] is {ids[i]}; --table " +
                    $"{table} has {rows} rows. {remedy} another table.");
            }

            if (ids[i] < 0) ids[i] += (int)rows;
        }

        tokens.CopyFrom<int>(ids);
    }

    private static void RequireTable(
        NpyTensors files, Tensor table, string option, Gathered gathered, string reason)
    {
        files.RequireRank(table, option, 2);
        files.RequireLastAxis(table, option, gathered.Width, reason);
    }

    /// <summary>The result of gathering along axis 0: the ids' axes, then the table's others.
    /// </summary>
    private readonly record struct Gathered(long[] Shape, long Rows, int Width)
    {
        public static Gathered Of(TensorShape table, TensorShape ids)
        {
            if (table.Rank < 1 || table.Rank + ids.Rank - 1 > TensorShape.MaxRank)
            {
                throw new ArgumentException($"run embedding: --table has shape {table} and --ids " +
                    $"{ids}; expected a table of rank 1 or more and a result of at most " +
                    $"{TensorShape.MaxRank} axes. Reshape them.");
            }

            long[] rest = table.ToArray()[1..];
            return new([.. ids.ToArray(), .. rest], table[0],
                checked((int)rest.Aggregate(1L, (product, size) => product * size)));
        }
    }
}
