using System.Diagnostics.CodeAnalysis;

namespace Transformer.Backends;

/// <summary>
/// A set of kernels for one device. Kernels are found by the type of the call they take: a new op
/// is a call struct plus a kernel class and needs no edit here.
/// </summary>
public abstract class Backend
{
    private readonly Dictionary<Type, object> kernels = [];
    private readonly List<KernelInfo> infos = [];

    /// <summary>Short name, as <c>--backend</c> takes it.</summary>
    public abstract string Name { get; }

    /// <summary>Device, memory and instruction sets, for people.</summary>
    public abstract string Device { get; }

    /// <summary>Why the backend cannot run here; null when it can.</summary>
    public virtual string? UnavailableReason => null;

    /// <summary>True when the backend can run here.</summary>
    public bool IsAvailable => UnavailableReason is null;

    /// <summary>Rank for "best available": the highest wins.</summary>
    public abstract int Priority { get; }

    /// <summary>The memory that this backend's calls take.</summary>
    public virtual BackendMemory Memory => BackendMemory.Host;

    /// <summary>Every kernel of this backend.</summary>
    public IReadOnlyList<KernelInfo> Kernels => infos;

    /// <summary>Whether the call can run here; if not, why. The call must be valid.</summary>
    public bool Supports<TCall>(in TCall call, [NotNullWhen(false)] out string? reason)
        where TCall : struct, IOpCall
    {
        if (UnavailableReason is { } absent)
        {
            reason = absent;
            return false;
        }

        if (!kernels.TryGetValue(typeof(TCall), out object? kernel))
        {
            reason = $"backend '{Name}' has no {TCall.Direction} kernel for {TCall.Op}";
            return false;
        }

        bool supported = ((IKernel<TCall>)kernel).Supports(in call, out reason);
        reason ??= supported ? null : "the kernel gave no reason";
        return supported;
    }

    /// <summary>Validates the call and runs it.</summary>
    /// <exception cref="ArgumentException">An argument does not fit the others.</exception>
    /// <exception cref="NotSupportedException">The backend lacks this call; says why.</exception>
    public void Run<TCall>(in TCall call) where TCall : struct, IOpCall
    {
        call.Validate();
        if (!Supports(in call, out string? reason)) ThrowUnsupported<TCall>(reason);
        ((IKernel<TCall>)kernels[typeof(TCall)]).Run(in call);
    }

    /// <summary>Validates the call and binds it to its kernel, to be run many times.</summary>
    /// <exception cref="ArgumentException">An argument does not fit the others.</exception>
    /// <exception cref="NotSupportedException">The backend lacks this call; says why.</exception>
    public PreparedCall Prepare<TCall>(in TCall call) where TCall : struct, IOpCall
    {
        call.Validate();
        if (!Supports(in call, out string? reason)) ThrowUnsupported<TCall>(reason);
        return new PreparedCall<TCall>((IKernel<TCall>)kernels[typeof(TCall)], call);
    }

    /// <summary>Records what the calls give the device, to be given again as one piece; null
    /// where the backend has no use for it.</summary>
    /// <param name="calls">Calls of this backend, each of which has run before.</param>
    /// <remarks>Nothing runs now. Replaying saves the time that the host needs for each call; the
    /// buffers must still be where they were.</remarks>
    public virtual IRecordedCalls? Record(ReadOnlySpan<PreparedCall> calls) => null;

    /// <summary>Makes a clock that stands where the kernels run; null where they run in the
    /// caller's time.</summary>
    public virtual IDeviceTimer? CreateTimer() => null;

    /// <summary>Waits until all work given to the device is done.</summary>
    public virtual void Synchronize()
    {
    }

    /// <summary>Adds a kernel; called from the subclass's constructor.</summary>
    /// <exception cref="ArgumentException">There is one for this call.</exception>
    protected void Register<TCall>(IKernel<TCall> kernel) where TCall : struct, IOpCall
    {
        ArgumentNullException.ThrowIfNull(kernel);
        if (!kernels.TryAdd(typeof(TCall), kernel))
        {
            throw new ArgumentException($"backend '{Name}' has a {TCall.Direction} kernel for " +
                $"{TCall.Op} already. Add one, or make a second backend for the other.");
        }

        infos.Add(new(TCall.Op, TCall.Direction, kernel.GetType().Name));
    }

    [DoesNotReturn]
    private void ThrowUnsupported<TCall>(string reason) where TCall : struct, IOpCall =>
        throw new NotSupportedException(
            $"{TCall.Op}: backend '{Name}' cannot run this call: {reason}. " +
            "Choose another backend or option.");
}

/// <summary>One kernel of a backend.</summary>
/// <param name="Op">The op's name.</param>
/// <param name="Direction">Forward or backward.</param>
/// <param name="Kernel">Name of the class that implements it.</param>
public readonly record struct KernelInfo(string Op, OpDirection Direction, string Kernel);
