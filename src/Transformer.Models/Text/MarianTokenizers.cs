namespace Transformer.Models.Text;

/// <summary>The tokenizers of a Marian model: two SentencePiece models that share the ids of one
/// vocab.json.</summary>
internal static class MarianTokenizers
{
    public const string SourceName = "source.spm", TargetName = "target.spm";

    /// <summary>Reads both.</summary>
    /// <param name="folder">With vocab.json, source.spm and target.spm.</param>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or is of another kind.</exception>
    /// <exception cref="IOException">A file cannot be read.</exception>
    public static (UnigramTokenizer Source, UnigramTokenizer Target) Load(string folder)
    {
        Vocabulary vocabulary =
            Gpt2Files.ReadTokens(Path.Combine(folder, Gpt2Files.VocabularyName));
        return (Read(SourceName), Read(TargetName));

        UnigramTokenizer Read(string name)
        {
            SentencePieceFile file = SentencePieceFile.Open(Path.Combine(folder, name));
            double[] scores = new double[vocabulary.Count];
            Array.Fill(scores, UnigramTokenizer.NoPiece);
            Dictionary<string, double> withoutId = [];
            foreach (SentencePiece piece in file.All.Where(piece => piece.IsText))
            {
                if (vocabulary.TryGetPiece(piece.Text, out int id)) scores[id] = piece.Score;
                else withoutId[piece.Text] = piece.Score;
            }

            for (int id = 0; id < scores.Length; id++)
                if (vocabulary.IsSpecial(id)) scores[id] = 0;
            return new(vocabulary, scores, file.Options with
            {
                WithoutId = [.. withoutId.Select(entry => (entry.Key, entry.Value))],
            });
        }
    }
}
