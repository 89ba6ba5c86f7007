using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Verification;

/// <summary>
/// Allocates the buffers of one case in one backend's memory. The same builder run on two memories
/// of a case gets the same numbers, stored in another element type or on another device.
/// </summary>
/// <remarks>Every buffer lies between guard regions; outputs are poisoned with NaN.</remarks>
public sealed class CaseMemory : IDisposable
{
    private readonly CaseData data;
    private readonly BackendMemory memory;
    private readonly DType storage;
    private readonly CaseMemory? original;
    private readonly List<CaseOperand> operands = [];

    internal CaseMemory(CaseData data, BackendMemory memory, DType storage)
    {
        this.data = data;
        this.memory = memory;
        this.storage = storage;
    }

    private CaseMemory(CaseMemory original)
        : this(original.data, original.memory, original.storage) => this.original = original;

    internal IReadOnlyList<CaseOperand> Operands => operands;

    /// <summary>Bytes of all buffers, guards included.</summary>
    internal long AllocatedBytes => operands.Sum(operand => operand.AllocatedBytes);

    /// <summary>A memory whose buffers become copies of another's, byte for byte, when the same
    /// builder runs on it. It makes no numbers: those that the builder gets are 0.</summary>
    internal static CaseMemory CopyOf(CaseMemory original) => new(original);

    /// <summary>Normally distributed numbers, seeded by the case and the name.</summary>
    /// <param name="name">Of the operand.</param>
    /// <param name="count">How many.</param>
    /// <param name="mean">Their mean.</param>
    /// <param name="deviation">Their standard deviation.</param>
    public double[] Normal(string name, long count, double mean = 0, double deviation = 1) =>
        original is null ? data.Normal(name, count, mean, deviation) : new double[count];

    /// <summary>Uniform integers from 0 to below the limit, seeded by the case and the name.
    /// </summary>
    public int[] Integers(string name, int count, int exclusiveLimit) =>
        data.Integers(name, count, exclusiveLimit);

    /// <summary>An input of standard normal numbers.</summary>
    public BufferView Input(string name, long count) => Input(name, Normal(name, count));

    /// <summary>An input of the given numbers, rounded to the case's element type.</summary>
    public BufferView Input(string name, ReadOnlySpan<double> values) =>
        Add(name, values, isOutput: false, default);

    /// <summary>An input that is stored in binary32 at least: log-sum-exp, mean.</summary>
    public BufferView Statistic(string name, ReadOnlySpan<double> values) =>
        Add(name, values, isOutput: false, new() { Statistic = true });

    /// <summary>An input of 32-bit integers.</summary>
    public BufferView Input(string name, ReadOnlySpan<int> values) =>
        AddRaw(name, values, DType.Int32);

    /// <summary>An input of 64-bit integers.</summary>
    public BufferView Input(string name, ReadOnlySpan<long> values) =>
        AddRaw(name, values, DType.Int64);

    /// <summary>An input of truth values.</summary>
    public BufferView Input(string name, ReadOnlySpan<bool> values) =>
        AddRaw(name, values, DType.Bool);

    /// <summary>An output, poisoned with NaN.</summary>
    public BufferView Output(string name, long count, OutputRule rule = default)
    {
        if (original is not null) return Copy();
        double[] poison = new double[count];
        Array.Fill(poison, double.NaN);
        return Add(name, poison, isOutput: true, rule);
    }

    /// <summary>An output of 32-bit integers, poisoned with the least of them.</summary>
    public BufferView OutputIntegers(string name, long count)
    {
        if (original is not null) return Copy();
        int[] poison = new int[count];
        Array.Fill(poison, int.MinValue);
        return AddRaw<int>(name, poison, DType.Int32, isOutput: true);
    }

    /// <summary>A buffer that the call reads and writes, of normal numbers: added to, or in place.
    /// </summary>
    public BufferView Updated(string name, long count, OutputRule rule = default) =>
        Updated(name, Normal(name, count), rule);

    /// <summary>A buffer that the call reads and writes, holding the given numbers.</summary>
    public BufferView Updated(
        string name, ReadOnlySpan<double> values, OutputRule rule = default) =>
        Add(name, values, isOutput: true, rule);

    /// <summary>Outputs of another call on the same case, such as the forward pass whose results a
    /// backward pass takes. Computed once a case.</summary>
    /// <param name="key">Names the call within the case.</param>
    /// <param name="build">Builds it on a memory of this case.</param>
    public IReadOnlyDictionary<string, double[]> Prepare<TCall>(
        string key, Func<CaseMemory, TCall> build) where TCall : struct, IOpCall =>
        data.Prepare(key, build);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (CaseOperand operand in operands) operand.Dispose();
        operands.Clear();
    }

    internal Dictionary<string, double[]> ReadOutputs() => operands
        .Where(o => o.IsOutput).ToDictionary(o => o.Name, o => o.Read(o.Download()));

    private BufferView Add(
        string name, ReadOnlySpan<double> values, bool isOutput, OutputRule rule)
    {
        if (original is not null) return Copy();
        bool widen = rule.Statistic && storage.Size() == 2;
        CaseOperand operand = new(name, values.Length, widen ? DType.Float32 : storage, isOutput,
            rule, memory, ElementOffset(name));
        operands.Add(operand);
        operand.Upload(values, rule.Statistic ? v => (float)v : data.Round);
        return operand.View;
    }

    private BufferView AddRaw<T>(
        string name, ReadOnlySpan<T> values, DType dtype, bool isOutput = false)
        where T : unmanaged
    {
        if (original is not null) return Copy();
        CaseOperand operand = new(
            name, values.Length, dtype, isOutput, default, memory, ElementOffset(name));
        operands.Add(operand);
        operand.Upload(values);
        return operand.View;
    }

    // The same builder asks for the same operands in the same order.
    private BufferView Copy()
    {
        CaseOperand operand = original!.operands[operands.Count].Copy();
        operands.Add(operand);
        return operand.View;
    }

    // 1 to 15 elements off a 64-byte boundary, another number for each operand.
    private int ElementOffset(string name) =>
        data.Unaligned ? 1 + (int)(CaseData.Hash(name) % 15) : 0;
}
