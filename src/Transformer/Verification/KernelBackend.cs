using System.Globalization;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Verification;

/// <summary>Runs a validated, supported call.</summary>
/// <typeparam name="TCall">The call.</typeparam>
/// <param name="call">Buffers, sizes and options; written are the output buffers alone.</param>
public delegate void CallKernel<TCall>(in TCall call) where TCall : struct, IOpCall;

/// <summary>Why a kernel cannot run a valid call; null where it can.</summary>
/// <typeparam name="TCall">The call.</typeparam>
/// <param name="call">The call; its buffers' contents are not for reading here.</param>
public delegate string? CallLimit<TCall>(in TCall call) where TCall : struct, IOpCall;

/// <summary>
/// A backend made of delegates: the shortest way to have a kernel of one's own checked and timed
/// by <see cref="ParityRunner"/> and <see cref="BenchRunner"/>.
/// </summary>
/// <remarks>
/// Kernels read host memory. One that works on device memory derives from <see cref="Backend"/>
/// and overrides <see cref="Backend.Memory"/>. Add every kernel before the first run; then the
/// backend is as safe on many threads as its delegates are.
/// </remarks>
public sealed partial class KernelBackend : Backend
{
    /// <summary>Makes a backend without kernels.</summary>
    /// <param name="name">Short name for reports and <c>--backend</c>.</param>
    /// <param name="device">What it runs on, for people.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public KernelBackend(string name, string device = "CPU")
    {
        if (string.IsNullOrWhiteSpace(name))
            throw new ArgumentException("KernelBackend: 'name' is empty. Give a short name.");
        Name = name;
        Device = device;
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override string Device { get; }

    /// <summary>Below every built-in backend: never the default.</summary>
    public override int Priority => -1;

    /// <summary>Adds a kernel for a call of any op.</summary>
    /// <typeparam name="TCall">The call, such as <c>LayerNormForward</c>.</typeparam>
    /// <param name="run">Runs it.</param>
    /// <param name="lacks">Why a call cannot run, null where it can; leave it out only if
    /// <paramref name="run"/> takes every option and element type. See
    /// <see cref="NotFloat32"/>.</param>
    /// <returns>This backend.</returns>
    /// <exception cref="ArgumentException">There is a kernel for this call.</exception>
    public KernelBackend Add<TCall>(CallKernel<TCall> run, CallLimit<TCall>? lacks = null)
        where TCall : struct, IOpCall
    {
        ArgumentNullException.ThrowIfNull(run);
        Register(new DelegateKernel<TCall>(run, lacks));
        return this;
    }

    /// <summary>Adds a kernel that is a class.</summary>
    /// <typeparam name="TCall">The call.</typeparam>
    /// <param name="kernel">The kernel.</param>
    /// <returns>This backend.</returns>
    /// <exception cref="ArgumentException">There is a kernel for this call.</exception>
    public KernelBackend Add<TCall>(IKernel<TCall> kernel) where TCall : struct, IOpCall
    {
        Register(kernel);
        return this;
    }

    /// <summary>The reason why a kernel that reads floats through spans cannot take these
    /// buffers; null where it can. Absent buffers do not count.</summary>
    /// <param name="buffers">Every floating-point buffer of a call.</param>
    public static string? NotFloat32(params ReadOnlySpan<BufferView> buffers)
    {
        foreach (BufferView buffer in buffers)
        {
            if (buffer.IsAbsent) continue;
            if (buffer.DType != DType.Float32)
                return $"the kernel takes Float32 only; a buffer holds {buffer.DType}";
            if (buffer.Length > int.MaxValue)
            {
                return string.Create(CultureInfo.InvariantCulture,
                    $"a buffer has {buffer.Length} elements; a span holds {int.MaxValue}");
            }
        }

        return null;
    }

    private sealed class DelegateKernel<TCall>(CallKernel<TCall> run, CallLimit<TCall>? lacks)
        : IKernel<TCall> where TCall : struct, IOpCall
    {
        public bool Supports(in TCall call, out string? reason)
        {
            reason = lacks?.Invoke(in call);
            return reason is null;
        }

        public void Run(in TCall call) => run(in call);
    }
}
