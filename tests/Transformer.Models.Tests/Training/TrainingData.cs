using Transformer.Models.Text;
using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

/// <summary>Made-up pairs of token ids.</summary>
internal static class TrainingData
{
    /// <summary>Lengths spread like those of sentences; every pair is different.</summary>
    public static ParallelDataset Sentences(
        int count, int vocabulary = 50, int longest = 30, int seed = 7)
    {
        Random random = new(seed);
        (int[], int[])[] pairs = new (int[], int[])[count];
        for (int i = 0; i < count; i++)
        {
            int source = 1 + (int)(longest * random.NextDouble() * random.NextDouble());
            int target = Math.Clamp(source + random.Next(-3, 4), 0, longest);
            pairs[i] = (Ids(random, source, vocabulary), Ids(random, target, vocabulary));
        }

        return new(pairs, SpecialTokens.Default, longest + 1);
    }

    /// <summary>Target token i is source token i; all of one length.</summary>
    public static ParallelDataset Copies(int count, int length, int vocabulary, int seed = 3)
    {
        Random random = new(seed);
        return new(
            Enumerable.Range(0, count).Select(_ =>
            {
                int[] ids = Ids(random, length, vocabulary);
                return (ids, ids);
            }),
            SpecialTokens.Default, maxPositions: 32);
    }

    private static int[] Ids(Random random, int length, int vocabulary) =>
        [.. Enumerable.Range(0, length).Select(_ => random.Next(4, vocabulary))];
}
