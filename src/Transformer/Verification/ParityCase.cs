using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Verification;

/// <summary>
/// One call with its inputs, run on a backend and on the reference in double precision from the
/// same numbers.
/// </summary>
public abstract class ParityCase
{
    private protected ParityCase(string name, Tolerance tolerance, bool quick, DType dtype)
    {
        Name = name;
        Tolerance = tolerance;
        Quick = quick;
        DType = dtype;
    }

    /// <summary>The op's name.</summary>
    public abstract string Op { get; }

    /// <summary>Forward or backward.</summary>
    public abstract OpDirection Direction { get; }

    /// <summary>Shape and options.</summary>
    public string Name { get; }

    /// <summary>The bound on the error, with its reason.</summary>
    public Tolerance Tolerance { get; }

    /// <summary>Belongs to the subset that is run at every start.</summary>
    public bool Quick { get; }

    /// <summary>Element type of the tensors; statistics and integers have their own.</summary>
    public DType DType { get; }

    /// <summary>Buffers start at element offsets 1 to 15 off a 64-byte boundary.</summary>
    public bool Unaligned { get; internal set; }

    /// <summary>Not repeated on 16-bit tensors, because the op's buffers have no use in them.
    /// </summary>
    public bool Float32Only { get; init; }

    /// <summary>Defines what is right; the registry's reference by default.</summary>
    /// <remarks>Another one for an op of one's own: it gets Float64 buffers.</remarks>
    public Backend Reference { get; init; } = BackendRegistry.Reference;

    /// <summary>Repeated on 16-bit tensors wherever it stands in its table; else only the first
    /// quick cases of an op are.</summary>
    public bool SixteenBit { get; init; }

    /// <summary>Roundings to the case's element type that add up in an output: 1, of the result
    /// itself, unless the call also computes with stored results of another call.</summary>
    public int SixteenBitRoundings { get; init; } = 1;

    /// <summary>What the case uses of its op, for tables of what is proven; empty where the op has
    /// no such list.</summary>
    public IReadOnlyList<string> Features => FeaturesOf?.Invoke(DType) ?? [];

    /// <summary>The features of the case on tensors of a type.</summary>
    internal Func<DType, IReadOnlyList<string>>? FeaturesOf { get; init; }

    /// <summary>Runs the case and compares every output.</summary>
    public ParityResult Run(Backend backend) => RunAll([backend]).Single();

    /// <summary>Runs the case on several backends against one run of the reference.</summary>
    public abstract IEnumerable<ParityResult> RunAll(IEnumerable<Backend> backends);

    /// <summary>Runs the case and returns each output's bytes, for comparing runs bit by bit.
    /// </summary>
    /// <exception cref="NotSupportedException">The backend lacks this call.</exception>
    public abstract IReadOnlyDictionary<string, byte[]> Execute(Backend backend);

    /// <summary>The same case on 16-bit tensors.</summary>
    internal abstract ParityCase As(DType dtype);
}

/// <summary>A case of one call type.</summary>
/// <typeparam name="TCall">The call.</typeparam>
public sealed class ParityCase<TCall> : ParityCase where TCall : struct, IOpCall
{
    private readonly Func<CaseMemory, TCall> build;

    /// <summary>Makes a case.</summary>
    /// <param name="name">Shape and options, unique within op and direction; seeds the inputs.
    /// </param>
    /// <param name="tolerance">Bound with its reason.</param>
    /// <param name="build">Allocates the operands and builds the call; run once for the backend's
    /// memory and once for the reference's.</param>
    /// <param name="quick">Belongs to the quick subset.</param>
    /// <param name="dtype">Element type of the tensors.</param>
    public ParityCase(
        string name, Tolerance tolerance, Func<CaseMemory, TCall> build, bool quick = false,
        DType dtype = DType.Float32) : base(name, tolerance, quick, dtype) => this.build = build;

    /// <inheritdoc/>
    public override string Op => TCall.Op;

    /// <inheritdoc/>
    public override OpDirection Direction => TCall.Direction;

    /// <inheritdoc/>
    public override IEnumerable<ParityResult> RunAll(IEnumerable<Backend> backends)
    {
        CaseData data = NewData();
        Dictionary<string, double[]>? expected = null;
        foreach (Backend backend in backends)
        {
            ParityResult result;
            try
            {
                using CaseMemory memory = new(data, backend.Memory, DType);
                TCall call = build(memory);
                call.Validate();
                if (!backend.Supports(in call, out string? reason))
                {
                    result = Result(backend, default, reason);
                }
                else
                {
                    expected ??= Expect(data);
                    backend.Run(in call);
                    backend.Synchronize();
                    result = Result(backend, Compare(memory, expected), null);
                }
            }
            catch (Exception exception) when (exception is not OutOfMemoryException)
            {
                // A kernel that throws is a finding about that kernel, not the end of the run.
                result = Result(backend, new(double.NaN, double.NaN, false,
                    $"{exception.GetType().Name}: {exception.Message}"), null);
            }

            yield return result;
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, byte[]> Execute(Backend backend)
    {
        using CaseMemory memory = new(NewData(), backend.Memory, DType);
        backend.Run(build(memory));
        backend.Synchronize();
        return memory.Operands.Where(o => o.IsOutput).ToDictionary(o => o.Name, o => o.Download());
    }

    internal override ParityCase As(DType dtype)
    {
        double roundoff = dtype == DType.Float16 ? 1.0 / 2048 : 1.0 / 256;
        return new ParityCase<TCall>(Name, Tolerance.Value == 0 ? Tolerance : Tolerance.Plus(
            SixteenBitRoundings * roundoff,
            $"{SixteenBitRoundings} rounding(s) to {dtype}"), build, Quick, dtype)
        {
            Unaligned = Unaligned,
            Reference = Reference,
            FeaturesOf = FeaturesOf,
        };
    }

    private CaseData NewData() => new(CaseData.Hash(Op + Name), DType, Unaligned,
        [Reference, BackendRegistry.Reference], DType.Float64);

    private Dictionary<string, double[]> Expect(CaseData data)
    {
        using CaseMemory memory = new(data, Reference.Memory, DType.Float64);
        Reference.Run(build(memory));
        Reference.Synchronize();
        return memory.ReadOutputs();
    }

    private OutputComparison Compare(CaseMemory memory, Dictionary<string, double[]> expected)
    {
        OutputComparison worst = new(0, 0, true, "no output");
        foreach (CaseOperand operand in memory.Operands)
        {
            byte[] bytes = operand.Download();
            if (operand.DescribeDamage(bytes) is { } damage)
            {
                return new(double.NaN, double.NaN, false, damage);
            }

            if (!operand.IsOutput) continue;
            OutputComparison one = OutputComparison.Of(operand.Name, operand.Read(bytes),
                expected[operand.Name], operand.Rule, Tolerance.Value);
            if (!one.Passed) return one;
            worst = one.RelL2 >= worst.RelL2
                ? one with { MaxAbs = Math.Max(one.MaxAbs, worst.MaxAbs) }
                : worst with { MaxAbs = Math.Max(one.MaxAbs, worst.MaxAbs) };
        }

        return worst;
    }

    private ParityResult Result(Backend backend, OutputComparison comparison, string? skipped) =>
        new(Op, backend.Name, Name, DType, Direction, comparison.MaxAbs, comparison.RelL2,
            Tolerance.Value, skipped is null && comparison.Passed, comparison.Detail ?? "",
            skipped)
        {
            Features = Features,
        };
}
