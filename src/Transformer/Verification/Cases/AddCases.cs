using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="AddForward"/>.</summary>
internal static class AddCases
{
    private static readonly int[] Lengths = [0, 1, 15, 16, 17, 31, 63, 64, 65, 251, 1031, 20011];

    public static IEnumerable<ParityCase> All()
    {
        foreach (int length in Lengths)
        {
            yield return Case($"[{length}]", length is 17 or 65, (left, right, m) =>
                new(m.Input("left", left), m.Input("right", right), m.Output("output", length)));
        }

        yield return Case("[37] into left", true, (left, right, m) =>
        {
            BufferView sum = m.Updated("left", left);
            return new(sum, m.Input("right", right), sum);
        });
        yield return Case("[37] into right", false, (left, right, m) =>
        {
            BufferView sum = m.Updated("right", right);
            return new(m.Input("left", left), sum, sum);
        });
        yield return Case("[37] infinity", true, (left, right, m) =>
        {
            left[20] = double.PositiveInfinity;
            return new(m.Input("left", left), m.Input("right", right), m.Output("output", 37));
        });

        static ParityCase<AddForward> Case(
            string name, bool quick, Func<double[], double[], CaseMemory, Operands> allocate)
        {
            int length = int.Parse(name.AsSpan(1, name.IndexOf(']') - 1),
                System.Globalization.CultureInfo.InvariantCulture);
            return new(name, Tolerance.Elementwise(1), m =>
            {
                Operands o = allocate(m.Normal("left", length), m.Normal("right", length), m);
                return new()
                {
                    Left = o.Left, Right = o.Right, Output = o.Output, Length = length,
                };
            }, quick);
        }
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        int length = size.Rows * size.Width;
        yield return new BenchCase<AddForward>(FormattableString.Invariant($"[{length}]"),
            new(length, 12.0 * length), m => new()
            {
                Left = m.Input("left", length),
                Right = m.Input("right", length),
                Output = m.Output("output", length),
                Length = length,
            });
    }

    private readonly record struct Operands(BufferView Left, BufferView Right, BufferView Output);
}
