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

    /// <summary>Exact GELU over one activation of the model: x·Φ(x), Φ counted as two operations,
    /// and twice that for the derivative and its product.</summary>
    public static IEnumerable<BenchCase> Bench(BenchSize size)
    {
        int length = size.Rows * size.Width;
        string name = Name(Activation.Gelu, length, inPlace: false);
        yield return new BenchCase<ActivationForward>(name, new(3.0 * length, 8.0 * length),
            m => ForwardCall(m, Activation.Gelu, length, inPlace: false));
        yield return new BenchCase<ActivationBackward>(name, new(6.0 * length, 12.0 * length),
            m => BackwardCall(m, Activation.Gelu, length, inPlace: false));
    }

    // GELU is a product with Φ(x), whose relative error grows where Φ is small.
    private static Tolerance Bound(Activation activation) =>
        Tolerance.Elementwise(activation is Activation.Gelu or Activation.GeluTanh ? 8 : 1);

    private static ParityCase<ActivationForward> Forward(
        Activation activation, int length, bool inPlace) =>
        new(Name(activation, length, inPlace), Bound(activation),
            m => ForwardCall(m, activation, length, inPlace), length is 17 or 65);

    private static ParityCase<ActivationBackward> Backward(
        Activation activation, int length, bool inPlace) =>
        new(Name(activation, length, inPlace), Bound(activation),
            m => BackwardCall(m, activation, length, inPlace), length is 17 or 65);

    private static ActivationForward ForwardCall(
        CaseMemory memory, Activation activation, int length, bool inPlace)
    {
        BufferView input = inPlace
            ? memory.Updated("input", length)
            : memory.Input("input", length);
        return new()
        {
            Input = input,
            Output = inPlace ? input : memory.Output("output", length),
            Length = length,
            Activation = activation,
        };
    }

    private static ActivationBackward BackwardCall(
        CaseMemory memory, Activation activation, int length, bool inPlace)
    {
        BufferView gradient = inPlace
            ? memory.Updated("outputGradient", length)
            : memory.Input("outputGradient", length);
        return new()
        {
            Input = memory.Input("input", length),
            OutputGradient = gradient,
            InputGradient = inPlace ? gradient : memory.Output("inputGradient", length),
            Length = length,
            Activation = activation,
        };
    }

    private static string Name(Activation activation, int length, bool inPlace) =>
        FormattableString.Invariant($"[{length}] {activation}") + (inPlace ? " in place" : "");
}
