using System.Globalization;
using Transformer.Models;
using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Samples;

/// <summary>Masked words: what BERT's training hides, and what the trained model puts there.
/// </summary>
public static class MaskSample
{
    private static readonly string[] Sentences =
    [
        "the cook left the [MASK]", "the [MASK] left the harbour", "the robot likes [MASK]",
        "chalk needs the [MASK]",
    ];

    /// <summary>Trains the model and shows it.</summary>
    public static void Run(TextWriter output)
    {
        using MaskFiller filler = TownTalk.Train();
        Show(output, filler);
    }

    /// <summary>Shows a trained model.</summary>
    public static void Show(TextWriter output, MaskFiller filler)
    {
        ShowHiding(output, filler.Tokenizer);
        output.WriteLine();
        foreach (string sentence in Sentences)
        {
            output.WriteLine($"{sentence,-28} " + string.Join("  ", filler.Fill(sentence, 3)[0]
                .Select(guess => string.Create(CultureInfo.InvariantCulture,
                    $"{guess.Text} {100 * guess.Probability:F1} %"))));
        }
    }

    private static void ShowHiding(TextWriter output, ITokenizer tokenizer)
    {
        TokenMasking masking = new(tokenizer);
        BertBatcher batcher = new(
            SentenceDataset.Encode(TownTalk.Lines, tokenizer), masking, 500, TownTalk.Length, 1);
        BertBatch batch = new(batcher.Rows, batcher.Length, batcher.Masked);
        batcher.Fill(0, batch);
        int words = batch.Ids.Count(id => masking.IsOrdinary(id) || id == masking.Tokens.Mask);
        int chosen = 0, masked = 0, same = 0;
        for (int i = 0; i < batch.Labels.Length; i++)
        {
            int label = batch.Labels[i], read = batch.Ids[batch.MaskedRows[i]];
            if (label == Batch.IgnoredLabel) continue;
            chosen++;
            if (read == masking.Tokens.Mask) masked++;
            if (read == label) same++;
            if (chosen > 5) continue;
            output.WriteLine(
                $"to guess: {tokenizer.Token(label),-9} read: {tokenizer.Token(read)}");
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"of {words} words {100.0 * chosen / words:F1} % are to guess; of these " +
            $"{100.0 * masked / chosen:F1} % read [MASK], {100.0 * same / chosen:F1} % stay, " +
            $"{100.0 * (chosen - masked - same) / chosen:F1} % are another word"));
    }
}
