namespace Transformer.Cli.Commands.Bench;

/// <summary>One measured call of a curve.</summary>
/// <param name="Size">Length or width.</param>
/// <param name="Milliseconds">Median time of a call.</param>
/// <param name="OperandMiB">Inputs and outputs together.</param>
/// <param name="PeakMiB">What the process's peak working set grew by from before the operands to
/// after the calls, which includes them; null where the system does not tell.</param>
internal sealed record ScalingPoint(
    int Size, double Milliseconds, double OperandMiB, double? PeakMiB);

/// <summary>A measured curve.</summary>
/// <param name="Series">What was measured.</param>
/// <param name="Points">By size.</param>
internal sealed record ScalingCurve(ScalingSeries Series, IReadOnlyList<ScalingPoint> Points)
{
    /// <summary>log₂ of the ratio of times of each point to the one before: 1 is linear, 2
    /// quadratic.</summary>
    public IEnumerable<double> TimeSlopes => Slopes(point => point.Milliseconds);

    /// <summary>The same of peak memory; NaN where that is not known.</summary>
    public IEnumerable<double> MemorySlopes => Slopes(point => point.PeakMiB ?? double.NaN);

    private IEnumerable<double> Slopes(Func<ScalingPoint, double> of) =>
        Points.Zip(Points.Skip(1), (first, next) => Math.Log2(of(next) / of(first)));
}

/// <summary>What the curves' run found.</summary>
/// <param name="FirstResultMs">From the start of a new process to its first attention result;
/// median of several.</param>
/// <param name="Curves">The curves.</param>
internal sealed record ScalingResult(double FirstResultMs, IReadOnlyList<ScalingCurve> Curves);
