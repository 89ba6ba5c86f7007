using Transformer.Models;
using Transformer.Models.Text;

namespace Transformer.Cli.Output;

/// <summary>The attention of one head, with its tokens.</summary>
/// <param name="Kind"><c>encoder</c>, <c>decoder</c> or <c>cross</c>.</param>
/// <param name="Layer">From 1 on.</param>
/// <param name="Head">From 1 on.</param>
/// <param name="Rows">[queries]: tokens that attend; of the decoder those being written.</param>
/// <param name="Columns">[keys]: tokens attended to.</param>
/// <param name="Weights">[queries, keys]; each row sums to 1.</param>
internal sealed record AttentionGrid(
    string Kind, int Layer, int Head, string[] Rows, string[] Columns, float[,] Weights)
{
    /// <summary>Names of the kinds of attention.</summary>
    public static IReadOnlyList<string> Kinds { get; } = ["encoder", "decoder", "cross"];

    /// <summary>As a table to draw.</summary>
    public HeatGrid Drawn =>
        new($"{Kind}, layer {Layer}, head {Head}", Rows, Columns, Weights, IsShare: true);

    /// <summary>The attention of all layers and heads while a model writes a sentence.</summary>
    /// <param name="translator">The model.</param>
    /// <param name="source">Source ids, end token included.</param>
    /// <param name="target">Target ids without begin and end token.</param>
    /// <exception cref="ArgumentException">A sentence is longer than the model's positions.
    /// </exception>
    public static List<AttentionGrid> Of(Translator translator, int[] source, int[] target)
    {
        SpecialTokens special = translator.TargetTokenizer.Special;
        int[] read = [special.Bos, .. target];
        AttentionMaps maps = translator.Model.Attention(source, read);
        string[] sourceText = TokenText.Of(translator.SourceTokenizer, source);
        string[] readText = TokenText.Of(translator.TargetTokenizer, read);
        string[] writtenText =
            TokenText.Of(translator.TargetTokenizer, [.. target, special.Eos]);
        return
        [
            .. Split("encoder", maps.EncoderSelf, sourceText, sourceText),
            .. Split("decoder", maps.DecoderSelf, writtenText, readText),
            .. Split("cross", maps.Cross, writtenText, sourceText),
        ];
    }

    /// <summary>The attention of all layers and heads while a decoder-only model reads a text.
    /// </summary>
    /// <exception cref="ArgumentException">The text is empty or longer than the model's positions.
    /// </exception>
    public static List<AttentionGrid> Of(TextGenerator generator, string text)
    {
        int[] ids = generator.Tokenizer.Encode(text);
        string[] texts = TokenText.Of(generator.Tokenizer, ids);
        return [.. Split("decoder", generator.Model.Attention(ids), texts, texts)];
    }

    /// <summary>The attention of all layers and heads of an encoder.</summary>
    /// <param name="tokenizer">Of the model.</param>
    /// <param name="read">Tokens that it read.</param>
    /// <param name="maps">By layer.</param>
    public static List<AttentionGrid> Of(
        ITokenizer tokenizer, int[] read, IReadOnlyList<AttentionMap> maps)
    {
        string[] texts = TokenText.Of(tokenizer, read);
        return [.. Split("encoder", maps, texts, texts)];
    }

    private static IEnumerable<AttentionGrid> Split(
        string kind, IReadOnlyList<AttentionMap> layers, string[] rows, string[] columns)
    {
        for (int layer = 0; layer < layers.Count; layer++)
        {
            AttentionMap map = layers[layer];
            for (int head = 0; head < map.Heads; head++)
            {
                float[,] weights = new float[map.Queries, map.Keys];
                for (int q = 0; q < map.Queries; q++)
                {
                    for (int k = 0; k < map.Keys; k++) weights[q, k] = map.Row(head, q)[k];
                }

                yield return new(kind, layer + 1, head + 1, rows, columns, weights);
            }
        }
    }
}
