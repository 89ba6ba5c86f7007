using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Verification.Cases;

/// <summary>Cases of <see cref="ActivationForward"/> and <see cref="ActivationBackward"/>.
/// </summary>
internal static class ActivationCases
{
    private static readonly int[] Lengths = [0, 1, 15, 16, 17, 31, 65, 1031, 9001];

    public static IEnumerable<ParityCase> All()
    {
        foreach (Activation activation in Enum.GetValues<Activation>())
        {
            foreach (int length in Lengths)
            {
                yield return Forward(activation, length, inPlace: length == 65);
                yield return Backward(activation, length, inPlace: length == 65);
            }
        }
    }

    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        int length = size.Rows * size.Hidden;
        // The tanh form: cube 3, inside 3, tanh 1, outside 3.
        yield return new BenchCase<ActivationForward>(
            Name(Activation.GeluTanh, length, inPlace: false), new(10.0 * length, 8.0 * length),
            m => new()
            {
                Input = m.Input("input", length),
                Output = m.Output("output", length),
                Length = length,
                Activation = Activation.GeluTanh,
            });
        yield return new BenchCase<ActivationBackward>(
            Name(Activation.GeluTanh, length, inPlace: false), new(18.0 * length, 12.0 * length),
            m => new()
            {
                Input = m.Input("input", length),
                OutputGradient = m.Input("outputGradient", length),
                InputGradient = m.Output("inputGradient", length),
                Length = length,
                Activation = Activation.GeluTanh,
            });
    }

    // GELU is a product with Φ(x), whose relative error grows where Φ is small; tanh, SiLU and
    // their derivatives are quotients of an exponential, 2.2 ulp and some.
    private static Tolerance Bound(Activation activation) =>
        Tolerance.Elementwise(activation switch
        {
            Activation.Gelu or Activation.GeluTanh => 8,
            Activation.Tanh => 4,
            Activation.Silu => 6,
            _ => 1,
        });

    private static ParityCase<ActivationForward> Forward(
        Activation activation, int length, bool inPlace) =>
        new(Name(activation, length, inPlace), Bound(activation), m =>
        {
            double[] x = m.Normal("input", length);
            BufferView input = inPlace ? m.Updated("input", x) : m.Input("input", x);
            return new()
            {
                Input = input,
                Output = inPlace ? input : m.Output("output", length),
                Length = length,
                Activation = activation,
            };
        }, length is 17 or 65);

    private static ParityCase<ActivationBackward> Backward(
        Activation activation, int length, bool inPlace) =>
        new(Name(activation, length, inPlace), Bound(activation), m =>
        {
            double[] g = m.Normal("outputGradient", length);
            BufferView gradient = inPlace
                ? m.Updated("outputGradient", g)
                : m.Input("outputGradient", g);
            return new()
            {
                Input = m.Input("input", m.Normal("input", length)),
                OutputGradient = gradient,
                InputGradient = inPlace ? gradient : m.Output("inputGradient", length),
                Length = length,
                Activation = activation,
            };
        }, length is 17 or 65);

    private static string Name(Activation activation, int length, bool inPlace) =>
        FormattableString.Invariant($"[{length}] {activation}") + (inPlace ? " in place" : "");
}
