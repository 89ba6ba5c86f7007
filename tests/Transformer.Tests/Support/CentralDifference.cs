using System.Globalization;

namespace Transformer.Tests.Support;

/// <summary>
/// Gradients by fourth-order central differences in double:
/// (8·(f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))) / 12h.
/// </summary>
/// <remarks>With h = 1e-3 the formula's own error is about h⁴ = 1e-12 and that of rounding about
/// 1e-16/h = 1e-13, both relative to values near 1.</remarks>
public static class CentralDifference
{
    public const double RelativeTolerance = 1e-6;

    private const double Step = 1e-3;

    /// <summary>
    /// Requires |gradient − difference| ≤ 1e-6 · max(|gradient|, |difference|, 1e-3·G) for every
    /// element, G the largest gradient: elements that cancel to nearly 0 are held to 1e-9·G.
    /// </summary>
    /// <param name="name">Which gradient, for messages.</param>
    /// <param name="variable">What is varied; restored afterwards.</param>
    /// <param name="gradient">The backward call's result for it.</param>
    /// <param name="loss">Runs the forward call and returns the scalar.</param>
    public static void Check(
        string name, TestBuffer variable, double[] gradient, Func<double> loss) =>
        Check(name, variable, gradient, loss, Step, RelativeTolerance, 1e-3);

    /// <summary>As the other, for losses that are not computed in double throughout.</summary>
    /// <param name="name">Which gradient, for messages.</param>
    /// <param name="variable">What is varied; restored afterwards.</param>
    /// <param name="gradient">The backward call's result for it.</param>
    /// <param name="loss">Runs the forward call and returns the scalar.</param>
    /// <param name="step">h.</param>
    /// <param name="tolerance">Largest relative error of an element.</param>
    /// <param name="smallest">Share of G that elements are held to, however small they are.</param>
    public static void Check(
        string name, TestBuffer variable, double[] gradient, Func<double> loss, double step,
        double tolerance, double smallest)
    {
        Assert.Equal(variable.Length, gradient.Length);
        double floor = Math.Max(1e-6, gradient.Max(Math.Abs)) * smallest;
        for (int i = 0; i < gradient.Length; i++)
        {
            double difference = Derivative(variable, i, loss, step);
            double scale = Math.Max(floor, Math.Max(Math.Abs(gradient[i]), Math.Abs(difference)));
            double error = Math.Abs(gradient[i] - difference) / scale;
            Assert.True(error <= tolerance, string.Create(CultureInfo.InvariantCulture,
                $"{name}[{i}] is {gradient[i]:R}; central differences give {difference:R} " +
                $"(relative error {error:E2})"));
        }
    }

    private static double Derivative(
        TestBuffer variable, int index, Func<double> loss, double step)
    {
        double x = variable[index];
        if (double.IsInfinity(x)) return 0; // a bias or sink of −∞ takes no part
        double At(double offset)
        {
            variable[index] = x + offset;
            return loss();
        }

        double near = At(step) - At(-step);
        double far = At(2 * step) - At(-2 * step);
        variable[index] = x;
        return ((8 * near) - far) / (12 * step);
    }
}
