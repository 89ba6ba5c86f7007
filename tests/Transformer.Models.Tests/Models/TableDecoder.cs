using Transformer.Models.Generation;

namespace Transformer.Models.Tests.Models;

/// <summary>A step decoder whose logits are a function of the prefix, for tests of the search.
/// </summary>
internal sealed class TableDecoder(
    int vocabulary, int beam, Func<int, IReadOnlyList<int>, float[]> logits) : IStepDecoder
{
    private List<int>[] prefixes = [];

    public int Vocabulary => vocabulary;

    public int Steps { get; private set; }

    public ReadOnlySpan<float> Step(ReadOnlySpan<int> parents, ReadOnlySpan<int> tokens)
    {
        List<int>[] next = new List<int>[tokens.Length];
        float[] output = new float[tokens.Length * vocabulary];
        for (int row = 0; row < tokens.Length; row++)
        {
            next[row] = [.. Steps == 0 ? [] : prefixes[parents[row]], tokens[row]];
            logits(row / beam, next[row]).CopyTo(output, row * vocabulary);
        }

        Steps++;
        prefixes = next;
        return output;
    }
}
