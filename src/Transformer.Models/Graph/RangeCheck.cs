using System.Runtime.InteropServices;

namespace Transformer.Models.Graph;

/// <summary>Bounds for the numbers of an Int32 input, checked before each run: kernels index
/// tables with them.</summary>
/// <param name="Tensor">The input.</param>
/// <param name="Low">Smallest number allowed.</param>
/// <param name="High">First number too large.</param>
/// <param name="Exception">One more number allowed.</param>
/// <param name="Node">Who reads it.</param>
/// <param name="Remedy">What the bound comes from and what to do.</param>
internal sealed record RangeCheck(
    GraphTensor Tensor, int Low, int High, int? Exception, string Node, string Remedy)
{
    public void Check(ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<int> values = MemoryMarshal.Cast<byte, int>(bytes);
        for (int i = 0; i < values.Length; i++)
        {
            int value = values[i];
            if (value < Low || value >= High)
            {
                if (value != Exception) Throw(i, value);
            }
        }
    }

    private void Throw(int index, int value) => throw new ArgumentException(
        $"{Node}: input '{Tensor.Name}' holds {value} at index {index}; expected {Low} to " +
        $"{High - 1}. {Remedy}");
}
