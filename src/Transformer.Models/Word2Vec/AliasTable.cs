namespace Transformer.Models.Word2Vec;

/// <summary>Draws numbers 0 … n − 1 in proportion to weights, each in constant time.</summary>
/// <remarks>Walker, "An efficient method for generating discrete random variables with general
/// distributions" (1977), filled as Vose (1991) does it.</remarks>
internal sealed class AliasTable
{
    private readonly uint[] shares; // of 2³²: how much of its column a number keeps
    private readonly int[] others;

    /// <param name="weights">One or more, not negative, one of them positive.</param>
    public AliasTable(ReadOnlySpan<double> weights)
    {
        int n = weights.Length;
        double total = 0;
        foreach (double weight in weights) total += weight;
        double[] heights = new double[n];
        Stack<int> low = new(n), high = new(n);
        for (int i = 0; i < n; i++)
        {
            heights[i] = weights[i] / total * n;
            (heights[i] < 1 ? low : high).Push(i);
        }

        shares = new uint[n];
        others = new int[n];
        while (low.Count > 0 && high.Count > 0)
        {
            int small = low.Pop(), large = high.Pop();
            shares[small] = (uint)(heights[small] * uint.MaxValue);
            others[small] = large;
            heights[large] -= 1 - heights[small];
            (heights[large] < 1 ? low : high).Push(large);
        }

        // What is left is 1 but for rounding.
        foreach (int i in low.Concat(high)) (shares[i], others[i]) = (uint.MaxValue, i);
    }

    /// <summary>The number that 64 random bits stand for.</summary>
    public int Draw(ulong bits)
    {
        int column = (int)(((bits & uint.MaxValue) * (ulong)shares.Length) >> 32);
        return (uint)(bits >> 32) <= shares[column] ? column : others[column];
    }
}
