using System.Globalization;
using System.Text;

namespace Transformer.Models.Graph;

/// <summary>Where one value lies in the arena and during which steps.</summary>
/// <param name="Name">The value's name.</param>
/// <param name="Offset">Bytes from the start of the arena; a multiple of 64.</param>
/// <param name="Bytes">Size.</param>
/// <param name="FirstStep">The step that writes it.</param>
/// <param name="LastStep">The last step that reads it.</param>
/// <remarks>A value computed in place has the offset of its predecessor, whose last step is its
/// first.</remarks>
public readonly record struct PlannedBuffer(
    string Name, long Offset, long Bytes, int FirstStep, int LastStep);

/// <summary>The memory of one compiled graph: values whose lifetimes are disjoint share it.
/// </summary>
public sealed class MemoryPlan
{
    internal MemoryPlan(IReadOnlyList<PlannedBuffer> buffers, long plannedBytes, long naiveBytes)
    {
        Buffers = buffers;
        PlannedBytes = plannedBytes;
        NaiveBytes = naiveBytes;
    }

    /// <summary>Every value in the arena, in order of computation.</summary>
    public IReadOnlyList<PlannedBuffer> Buffers { get; }

    /// <summary>Bytes of arena needed.</summary>
    public long PlannedBytes { get; }

    /// <summary>Bytes needed if every value had its own memory.</summary>
    public long NaiveBytes { get; }

    /// <summary>A table: one line a value, then planned against naive bytes.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        IFormatProvider culture = CultureInfo.InvariantCulture;
        text.AppendLine("      offset        bytes   steps      value");
        foreach (PlannedBuffer b in Buffers)
        {
            text.AppendLine(culture,
                $"{b.Offset,12:N0} {b.Bytes,12:N0} {b.FirstStep,5}–{b.LastStep,-5} {b.Name}");
        }

        double share = NaiveBytes == 0 ? 1 : (double)PlannedBytes / NaiveBytes;
        text.Append(culture,
            $"planned {PlannedBytes:N0} bytes; naive {NaiveBytes:N0}; {share:P1} of naive");
        return text.ToString();
    }
}
