using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Transformer.Models.Text;

namespace Transformer.Models.Training;

/// <summary>What becomes of a pair that is longer than the model's position table.</summary>
public enum LongPairs
{
    /// <summary>The whole data set is refused; the message counts the long pairs.</summary>
    Refuse,

    /// <summary>It is left out and counted in <see cref="ParallelDataset.Dropped"/>.</summary>
    Drop,
}

/// <summary>Token ids of sentences and their translations, packed. Immutable.</summary>
public sealed class ParallelDataset
{
    private readonly int[] ids;
    private readonly Extent[] extents;

    private readonly record struct Extent(int Start, int SourceLength, int TargetLength);

    /// <summary>Packs pairs of token ids.</summary>
    /// <param name="pairs">
    /// Source ids as the encoder gets them, at least one; target ids without begin and end tokens,
    /// which <see cref="BucketBatcher"/> adds.
    /// </param>
    /// <param name="special">Ids of the special tokens of the target vocabulary.</param>
    /// <param name="maxPositions">
    /// The longest source, and the longest target with one special token, that are kept.
    /// </param>
    /// <param name="longPairs">What becomes of longer ones.</param>
    /// <exception cref="ArgumentException">
    /// No pair is left, a source is empty, pairs are too long and refused, or there are more than
    /// 2³¹ − 1 ids.
    /// </exception>
    public ParallelDataset(
        IEnumerable<(int[] Source, int[] Target)> pairs, SpecialTokens special, int maxPositions,
        LongPairs longPairs = LongPairs.Refuse)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        ArgumentNullException.ThrowIfNull(special);
        if (maxPositions < 1)
        {
            throw new ArgumentException(
                $"ParallelDataset: 'maxPositions' is {maxPositions}; expected 1 or more.");
        }

        Special = special;
        MaxPositions = maxPositions;
        List<int> packed = [];
        List<Extent> kept = [];
        int seen = 0, longest = 0, longestPair = 0;
        foreach ((int[] source, int[] target) in pairs)
        {
            seen++;
            int length = Math.Max(source.Length, target.Length + 1);
            if (length > longest) (longest, longestPair) = (length, seen);
            if (source.Length == 0)
            {
                throw new ArgumentException($"ParallelDataset: the source of pair {seen} is " +
                    "empty; expected one token or more. Remove the pair or end it with <eos>.");
            }

            if (length > maxPositions)
            {
                Dropped++;
                continue;
            }

            RequireRoom(packed.Count, source.Length + target.Length);
            kept.Add(new(packed.Count, source.Length, target.Length));
            packed.AddRange(source);
            packed.AddRange(target);
            SourceTokens += source.Length;
            TargetTokens += target.Length + 1;
        }

        RequireFit(longPairs, seen, longest, longestPair, kept.Count);
        ids = [.. packed];
        extents = [.. kept];
        Fingerprint = Hash();
    }

    /// <summary>Pairs kept.</summary>
    public int Count => extents.Length;

    /// <summary>Pairs left out because they were longer than <see cref="MaxPositions"/>.</summary>
    public int Dropped { get; }

    /// <summary>The longest source, and target with one special token, that were let in.</summary>
    public int MaxPositions { get; }

    /// <summary>Ids of the special tokens of the target vocabulary.</summary>
    public SpecialTokens Special { get; }

    /// <summary>Tokens of all sources.</summary>
    public long SourceTokens { get; }

    /// <summary>Tokens to predict: those of all targets and one end token each.</summary>
    public long TargetTokens { get; }

    /// <summary>
    /// 32 hexadecimal digits that differ for other pairs, another order or other special tokens;
    /// checkpoints store it so that training does not go on with other data.
    /// </summary>
    public string Fingerprint { get; }

    /// <summary>Encodes sentence pairs.</summary>
    /// <param name="pairs">Sentences and their translations.</param>
    /// <param name="source">Tokenizer of the sources; see <see cref="EncodeSource"/>.</param>
    /// <param name="target">Tokenizer of the targets.</param>
    /// <param name="maxPositions">As for the constructor.</param>
    /// <param name="longPairs">As for the constructor.</param>
    /// <exception cref="ArgumentException">As for the constructor.</exception>
    public static ParallelDataset Encode(
        IEnumerable<(string Source, string Target)> pairs, ITokenizer source, ITokenizer target,
        int maxPositions, LongPairs longPairs = LongPairs.Refuse)
    {
        ArgumentNullException.ThrowIfNull(target);
        return new(
            pairs.Select(pair => (EncodeSource(source, pair.Source), target.Encode(pair.Target))),
            target.Special, maxPositions, longPairs);
    }

    /// <inheritdoc cref="Encode(IEnumerable{ValueTuple{string, string}}, ITokenizer, ITokenizer,
    /// int, LongPairs)"/>
    public static ParallelDataset Encode(
        IEnumerable<SentencePair> pairs, ITokenizer source, ITokenizer target,
        int maxPositions, LongPairs longPairs = LongPairs.Refuse) =>
        Encode(pairs.Select(p => (p.Source, p.Target)), source, target, maxPositions, longPairs);

    /// <summary>Ids of a sentence as the encoder gets them: its tokens, then the end token.
    /// </summary>
    /// <remarks>Training and translation share it, so that they cannot differ.</remarks>
    public static int[] EncodeSource(ITokenizer tokenizer, string sentence)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        return tokenizer.Encode(sentence, addBos: false, addEos: true);
    }

    /// <summary>Source ids [length] of a pair.</summary>
    public ReadOnlySpan<int> Source(int pair) =>
        ids.AsSpan(extents[pair].Start, extents[pair].SourceLength);

    /// <summary>Target ids [length] of a pair, without begin and end tokens.</summary>
    public ReadOnlySpan<int> Target(int pair) => ids.AsSpan(
        extents[pair].Start + extents[pair].SourceLength, extents[pair].TargetLength);

    private static void RequireRoom(int used, int more)
    {
        if (more <= Array.MaxLength - used) return;
        throw new ArgumentException("ParallelDataset: the pairs have more than " +
            $"{Array.MaxLength} token ids. Train on fewer pairs at a time.");
    }

    private void RequireFit(LongPairs longPairs, int seen, int longest, int longestPair, int kept)
    {
        if (Dropped > 0 && (longPairs == LongPairs.Refuse || kept == 0))
        {
            string remedy = longPairs == LongPairs.Refuse
                ? "Shorten them, leave them out, or raise the model's MaxPositions."
                : "None is left. Raise the model's MaxPositions or shorten them.";
            throw new ArgumentException(
                $"ParallelDataset: {Dropped} of {seen} pairs are longer than {MaxPositions} " +
                $"positions; the longest, pair {longestPair}, needs {longest}. {remedy}");
        }

        if (kept == 0)
        {
            throw new ArgumentException(
                "ParallelDataset: there are no pairs; expected one or more.");
        }
    }

    private string Hash()
    {
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(MemoryMarshal.AsBytes<int>([Special.Pad, Special.Bos, Special.Eos]));
        hash.AppendData(MemoryMarshal.AsBytes<int>(ids));
        hash.AppendData(MemoryMarshal.AsBytes<Extent>(extents));
        return Convert.ToHexStringLower(hash.GetHashAndReset().AsSpan(0, 16));
    }
}
