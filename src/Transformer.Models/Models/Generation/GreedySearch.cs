namespace Transformer.Models.Generation;

/// <summary>Takes the most likely token at each step.</summary>
internal static class GreedySearch
{
    /// <summary>Continues from the begin token until each row has ended or is full.</summary>
    /// <param name="decoder">Has one row a sentence.</param>
    /// <param name="special">Begin, end, padding.</param>
    /// <param name="limits">[sentences]: most tokens of each, end token included.</param>
    /// <returns>Ids of each sentence without begin and end token.</returns>
    public static int[][] Run(
        IStepDecoder decoder, SearchTokens special, ReadOnlySpan<int> limits)
    {
        int rows = limits.Length, open = rows;
        int[] parents = new int[rows], tokens = new int[rows];
        bool[] done = new bool[rows];
        List<int>[] sentences = new List<int>[rows];
        for (int row = 0; row < rows; row++)
        {
            parents[row] = row;
            tokens[row] = special.Bos;
            sentences[row] = [];
        }

        for (int step = 1; open > 0; step++)
        {
            ReadOnlySpan<float> logits = decoder.Step(parents, tokens);
            for (int row = 0; row < rows; row++)
            {
                if (done[row]) continue;
                int token = TopTokens.ArgMax(
                    logits.Slice(row * decoder.Vocabulary, decoder.Vocabulary), special);
                tokens[row] = token;
                if (token != special.Eos) sentences[row].Add(token);
                if (token != special.Eos && step < limits[row]) continue;
                done[row] = true;
                open--;
            }
        }

        return Array.ConvertAll(sentences, s => s.ToArray());
    }
}
