using System.CommandLine;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary>
/// Options of <c>run attention</c> for terms that depend on position or head, and for blocks that
/// are hidden as a whole.
/// </summary>
internal sealed class AttentionTermOptions
{
    private const string Name = "run attention";

    // T5's.
    private const int DefaultDistance = 128;

    private readonly Option<string?> alibi = RunOptions.Optional(
        "--alibi", "Slopes m [Hq] of ALiBi: −m·|position − key| joins the score.");
    private readonly Option<string?> sinks = RunOptions.Optional(
        "--sinks", "Logits [Hq] that join the softmax's denominator only.");
    private readonly Option<string?> relativeBias = RunOptions.Optional(
        "--relative-bias", "T5's table [buckets, Hq], added by the bucket of the distance.");
    private readonly OptionalNumberOption<int> relativeDistance = new("--relative-distance")
    {
        Description = "Distances from here on share the table's last bucket; default " +
            $"{DefaultDistance}.",
        HelpName = "N",
    };

    private readonly Option<bool> relativeCausal = new("--relative-causal")
    {
        Description = "All buckets are for keys before the query, as in T5's decoder; otherwise " +
            "half of them.",
    };

    private readonly Option<string?> blockMask = RunOptions.Optional("--block-mask",
        "Booleans [Hq or 1, blocks of queries, blocks of keys], true = may attend.");
    private readonly Option<string?> blockSize = new("--block-size")
    {
        Description = "Queries and keys of a block of the block mask.",
        HelpName = "Q,K",
    };

    /// <summary>Adds the options to their command.</summary>
    public void AddTo(Command command)
    {
        command.Add(alibi);
        command.Add(sinks);
        command.Add(relativeBias);
        command.Add(relativeDistance);
        command.Add(relativeCausal);
        command.Add(blockMask);
        command.Add(blockSize);
    }

    /// <summary>The inputs with what the options name.</summary>
    /// <exception cref="ArgumentException">A file's shape does not fit the sizes, or an option
    /// lacks its partner.</exception>
    public AttentionInputs Read(ParseResult parsed, NpyTensors files, in AttentionInputs inputs)
    {
        AttentionSizes sizes = inputs.Sizes;
        (Tensor? mask, AttentionBlockSize size) = Blocks(parsed, files, sizes);
        (Tensor? table, RelativePositionBuckets? buckets) =
            Relative(parsed, files, sizes.QueryHeads);
        return inputs with
        {
            AlibiSlopes = HeadNumbers(parsed, files, alibi, sizes).ViewOrAbsent(),
            Sinks = HeadNumbers(parsed, files, sinks, sizes).ViewOrAbsent(),
            RelativeBias = table.ViewOrAbsent(),
            BlockMask = mask.ViewOrAbsent(),
            BlockSize = size,
            Options = inputs.Options with { RelativeBuckets = buckets },
        };
    }

    private static Tensor? HeadNumbers(
        ParseResult parsed, NpyTensors files, Option<string?> option, AttentionSizes sizes) =>
        files.Floats(parsed.GetValue(option), option.Name, new(sizes.QueryHeads),
            $"for the {sizes.QueryHeads} heads of --q");

    private (Tensor? Table, RelativePositionBuckets? Buckets) Relative(
        ParseResult parsed, NpyTensors files, int heads)
    {
        Tensor? table = files.Floats(parsed.GetValue(relativeBias), relativeBias.Name);
        int? distance = parsed.GetValue(relativeDistance);
        bool causal = parsed.GetValue(relativeCausal);
        if (table is null)
        {
            return distance is null && !causal ? default : throw new ArgumentException(
                $"{Name}: {(causal ? relativeCausal.Name : relativeDistance.Name)} is given " +
                $"without {relativeBias.Name}. Give the table, or leave it out.");
        }

        files.RequireRank(table, relativeBias.Name, 2);
        files.RequireLastAxis(
            table, relativeBias.Name, heads, $"for the {heads} heads of --q");
        return (table, new(
            checked((int)table.Shape[0]), distance ?? DefaultDistance, Bidirectional: !causal));
    }

    private (Tensor? Mask, AttentionBlockSize Size) Blocks(
        ParseResult parsed, NpyTensors files, AttentionSizes sizes)
    {
        Tensor? mask = files.Booleans(parsed.GetValue(blockMask), blockMask.Name);
        string? text = parsed.GetValue(blockSize);
        if (mask is null != text is null)
        {
            throw new ArgumentException($"{Name}: {blockMask.Name} and {blockSize.Name} go " +
                "together. Give both or neither.");
        }

        if (mask is null || text is null) return default;
        int[] block = NumberList.Parse($"{Name}: {blockSize.Name}", text, "Q,K", 2, 2);
        if (block[0] < 1 || block[1] < 1)
        {
            throw new ArgumentException($"{Name}: {blockSize.Name} is '{text}'; expected Q,K of " +
                "1 or more. Give the queries and keys of one block.");
        }

        bool perHead = mask.Shape.Rank == 3 && mask.Shape[0] != 1;
        files.RequireShape(mask, blockMask.Name, new(perHead ? sizes.QueryHeads : 1,
            Parts(sizes.QueryLength, block[0]), Parts(sizes.KeyLength, block[1])),
            $"for {sizes.QueryLength} queries and {sizes.KeyLength} keys in blocks of {text}");
        return (mask, new(block[0], block[1], perHead));
    }

    private static long Parts(int length, int size) => ((long)length + size - 1) / size;
}
