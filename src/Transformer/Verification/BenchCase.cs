using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Verification;

/// <summary>One call to be timed.</summary>
public abstract class BenchCase
{
    internal const string ThrewPrefix = "it threw ";

    private protected BenchCase(string shape, BenchWork work, DType dtype)
    {
        Sizes = shape;
        Shape = dtype == DType.Float32 ? shape : $"{shape} {dtype}";
        Work = work;
        DType = dtype;
    }

    /// <summary>The op's name.</summary>
    public abstract string Op { get; }

    /// <summary>Forward or backward.</summary>
    public abstract OpDirection Direction { get; }

    /// <summary>Sizes and options, and the element type where it is not binary32.</summary>
    public string Shape { get; }

    /// <summary>Element type of the tensors; statistics and integers have their own.</summary>
    public DType DType { get; }

    /// <summary>Also timed on 16-bit tensors.</summary>
    public bool SixteenBit { get; init; }

    /// <summary>What the call must do at least.</summary>
    public BenchWork Work { get; }

    /// <summary>Defines the op, for factors over the reference; the registry's by default.
    /// </summary>
    public Backend Reference { get; init; } = BackendRegistry.Reference;

    /// <summary>Sizes and options alone.</summary>
    private protected string Sizes { get; }

    /// <summary>Times the call on the backend.</summary>
    /// <param name="backend">Where it runs.</param>
    /// <param name="budget">Time for all calls; zero: a call or two.</param>
    /// <param name="workingSet">Bytes that calls together touch before one meets the same operands
    /// again; 0: every call gets the same ones.</param>
    /// <param name="unsupported">Why there is no time; null where there is.</param>
    internal BenchTime? Time(
        Backend backend, TimeSpan budget, long workingSet, out string? unsupported)
    {
        try
        {
            if (backend.UnavailableReason is { } absent)
            {
                unsupported = absent;
                return null;
            }

            using IDeviceTimer? timer = backend.CreateTimer();
            // A device's arithmetic is so fast that any operand is better not found in its cache.
            if (timer is not null && budget > TimeSpan.Zero)
                workingSet = Math.Max(workingSet, 2 * timer.CacheBytes);
            using BoundCase? bound = Bind(backend, workingSet, out unsupported);
            return bound is null ? null : BenchTime.Measure(bound, budget, timer);
        }
        catch (NotSupportedException exception)
        {
            // Nothing can make this call's inputs.
            unsupported = exception.Message;
            return null;
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // A kernel that throws is a finding about that kernel, not the end of the run.
            unsupported = $"{ThrewPrefix}{exception.GetType().Name}: {exception.Message}";
            return null;
        }
    }

    /// <summary>Times the unfused, single-threaded version; null where there is none.</summary>
    internal BenchTime? TimeUnfused(TimeSpan budget, long workingSet)
    {
        using BoundCase? bound = BindUnfused(workingSet);
        return bound is null ? null : BenchTime.Measure(bound, budget);
    }

    /// <summary>The same call on 16-bit tensors, which are half as many bytes.</summary>
    internal abstract BenchCase As(DType dtype);

    /// <summary>The call with operands in the backend's memory; null where it lacks the call.
    /// </summary>
    internal abstract BoundCase? Bind(
        Backend backend, long workingSet, out string? unsupported);

    /// <summary>The unfused version with operands; null where there is none.</summary>
    internal abstract BoundCase? BindUnfused(long workingSet);
}

/// <summary>The least work that a call's definition asks for.</summary>
/// <param name="Flops">Additions and multiplications; hidden pairs of attention do not count; an
/// exponential counts as one.</param>
/// <param name="Bytes">Every input read once and every output written once; what is added to is
/// read and written.</param>
public readonly record struct BenchWork(double Flops, double Bytes);

/// <summary>A timed call of one type.</summary>
/// <typeparam name="TCall">The call.</typeparam>
/// <param name="shape">Sizes and options; seeds the inputs.</param>
/// <param name="work">What the call must do at least.</param>
/// <param name="build">Allocates the operands and builds the call.</param>
/// <param name="unfused">Runs the same call as separate plain passes, on host memory.</param>
/// <param name="dtype">Element type of the tensors.</param>
public sealed class BenchCase<TCall>(
    string shape, BenchWork work, Func<CaseMemory, TCall> build, Action<TCall>? unfused = null,
    DType dtype = DType.Float32)
    : BenchCase(shape, work, dtype) where TCall : struct, IOpCall
{
    /// <inheritdoc/>
    public override string Op => TCall.Op;

    /// <inheritdoc/>
    public override OpDirection Direction => TCall.Direction;

    internal override BenchCase As(DType type) => new BenchCase<TCall>(
        Sizes, Work with { Bytes = Work.Bytes / 2 }, build, unfused: null, type)
    {
        Reference = Reference,
    };

    internal override BoundCase? Bind(
        Backend backend, long workingSet, out string? unsupported)
    {
        TCall[] calls = Build(backend, backend.Memory, workingSet, out List<CaseMemory> memories);
        if (!backend.Supports(in calls[0], out unsupported))
        {
            Dispose(memories);
            return null;
        }

        return new(memories, copy => backend.Run(in calls[copy]), backend.Synchronize);
    }

    internal override BoundCase? BindUnfused(long workingSet)
    {
        if (unfused is null) return null;
        TCall[] calls =
            Build(Reference, BackendMemory.Host, workingSet, out List<CaseMemory> memories);
        return new(memories, copy => unfused(calls[copy]));
    }

    // Inputs that are results of another call come from the backend itself, or from the CPU's: the
    // reference would take minutes at these sizes.
    private TCall[] Build(
        Backend backend, BackendMemory place, long workingSet, out List<CaseMemory> memories)
    {
        CaseData data = new(CaseData.Hash(Op + Shape), DType, false,
            [backend, BackendRegistry.Cpu, Reference], DType.Float32);
        CaseMemory first = new(data, place, DType);
        memories = [first];
        try
        {
            TCall call = build(first);
            call.Validate();
            int copies = BoundCase.Copies(Work.Bytes, first.AllocatedBytes, workingSet);
            TCall[] calls = new TCall[copies];
            calls[0] = call;
            for (int copy = 1; copy < copies; copy++)
            {
                memories.Add(CaseMemory.CopyOf(first));
                calls[copy] = build(memories[copy]);
            }

            return calls;
        }
        catch
        {
            Dispose(memories);
            throw;
        }
    }

    private static void Dispose(List<CaseMemory> memories)
    {
        foreach (CaseMemory memory in memories) memory.Dispose();
    }
}
