using System.Numerics;
using Transformer.Ops;
using Transformer.Tensors;
using Transformer.Tests.Support;

namespace Transformer.Tests.RotaryEmbedding;

/// <summary>A rotary call on doubles, and its result by complex numbers.</summary>
internal sealed record RotaryProblem(RotarySizes Sizes, int RotaryDimension, bool Interleaved)
{
    public const int MaxPositions = 11;

    public int Rotary => RotaryDimension == 0 ? Sizes.HeadDimension : RotaryDimension;

    public int Count => Sizes.Batch * Sizes.Heads * Sizes.Length * Sizes.HeadDimension;

    public double Angle(int position, int pair) =>
        position * Math.Pow(10000, -2.0 * pair / Rotary);

    public RotaryInputs Inputs(KernelTest test, BufferView positionIds)
    {
        int half = Rotary / 2;
        IEnumerable<double> angles = Enumerable.Range(0, MaxPositions * half)
            .Select(i => Angle(i / half, i % half));
        return new()
        {
            Tables = new()
            {
                Cosines = test.Real([.. angles.Select(Math.Cos)]),
                Sines = test.Real([.. angles.Select(Math.Sin)]),
                MaxPositions = MaxPositions,
                RotaryDimension = RotaryDimension,
                Interleaved = Interleaved,
            },
            PositionIds = positionIds,
            Sizes = Sizes,
        };
    }

    /// <summary>Each pair as a complex number, times e^(i·angle).</summary>
    public double[] Expect(double[] input, Func<int, int, int> positionOf)
    {
        double[] result = [.. input];
        int dimension = Sizes.HeadDimension;
        for (int head = 0; head < input.Length / dimension; head++)
        {
            int s = head % Sizes.Length, b = head / (Sizes.Length * Sizes.Heads);
            for (int pair = 0; pair < Rotary / 2; pair++)
            {
                int first = (head * dimension) + (Interleaved ? 2 * pair : pair);
                int second = Interleaved ? first + 1 : first + (Rotary / 2);
                Complex turned = new Complex(input[first], input[second]) *
                    Complex.FromPolarCoordinates(1, Angle(positionOf(b, s), pair));
                (result[first], result[second]) = (turned.Real, turned.Imaginary);
            }
        }

        return result;
    }
}
