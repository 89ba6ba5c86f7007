using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Verification;

namespace Transformer.Cuda;

/// <summary>What a call becomes: the kernel's argument and the shape of its launch.</summary>
/// <typeparam name="TCall">The call.</typeparam>
/// <typeparam name="TArgument">A struct laid out as the kernel's only parameter.</typeparam>
/// <param name="call">Valid and supported; its buffers are in device memory.</param>
/// <param name="argument">Receives the argument.</param>
public delegate LaunchShape PtxLaunch<TCall, TArgument>(in TCall call, out TArgument argument)
    where TCall : struct, IOpCall where TArgument : unmanaged;

/// <summary>
/// Kernels of one's own, compiled to PTX, as a backend: the shortest way to have them checked by
/// <see cref="ParityRunner"/> and timed by <see cref="BenchRunner"/>.
/// </summary>
/// <remarks>Memory, stream and device are those of <see cref="CudaBackend"/>. Add every kernel
/// before the first run. A file is read when it is added and compiled by the driver at the first
/// launch.</remarks>
public sealed class PtxBackend : Backend
{
    private readonly CudaBackend cuda;

    /// <summary>Makes a backend without kernels.</summary>
    /// <param name="name">Short name for reports and <c>--backend</c>.</param>
    /// <param name="cuda">Where they run; null: the first device.</param>
    /// <exception cref="ArgumentException">The name is empty.</exception>
    public PtxBackend(string name, CudaBackend? cuda = null)
    {
        if (string.IsNullOrWhiteSpace(name))
            throw new ArgumentException("PtxBackend: 'name' is empty. Give a short name.");
        Name = name;
        this.cuda = cuda ?? CudaBackend.Instance;
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override string Device => cuda.Device;

    /// <inheritdoc/>
    public override string? UnavailableReason => cuda.UnavailableReason;

    /// <summary>Below every built-in backend: never the default.</summary>
    public override int Priority => -1;

    /// <inheritdoc/>
    public override BackendMemory Memory => cuda.Memory;

    /// <summary>Adds a kernel for a call of any op.</summary>
    /// <typeparam name="TCall">The call, such as <c>LayerNormForward</c>.</typeparam>
    /// <typeparam name="TArgument">A struct laid out as the kernel's only parameter.</typeparam>
    /// <param name="file">A file of PTX.</param>
    /// <param name="entry">The kernel's name in it.</param>
    /// <param name="launch">Makes argument and shape of a launch from a call.</param>
    /// <param name="lacks">Why a call cannot run, null where it can; leave it out only if the
    /// kernel takes every option and element type.</param>
    /// <returns>This backend.</returns>
    /// <exception cref="ArgumentException">There is a kernel for this call, or the entry's name is
    /// empty.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    public PtxBackend Add<TCall, TArgument>(
        string file, string entry, PtxLaunch<TCall, TArgument> launch,
        CallLimit<TCall>? lacks = null)
        where TCall : struct, IOpCall where TArgument : unmanaged
    {
        ArgumentNullException.ThrowIfNull(launch);
        if (string.IsNullOrWhiteSpace(entry))
        {
            throw new ArgumentException(
                $"PtxBackend: 'entry' is empty. Give the name behind .entry in '{file}'.");
        }

        if (!File.Exists(file))
        {
            throw new FileNotFoundException(
                $"PtxBackend: '{file}' does not exist; expected a file of PTX. Compile it with " +
                "nvcc -ptx or clang --cuda-device-only -S.");
        }

        byte[] image = File.ReadAllBytes(file);
        CudaKernel kernel = new(
            cuda.Queue, file, entry, device => new(device, Path.GetFileName(file), image));
        Register(new Kernel<TCall, TArgument>(kernel, launch, lacks));
        return this;
    }

    /// <inheritdoc/>
    public override IDeviceTimer? CreateTimer() => cuda.CreateTimer();

    /// <inheritdoc/>
    public override void Synchronize() => cuda.Synchronize();

    private sealed class Kernel<TCall, TArgument>(
        CudaKernel kernel, PtxLaunch<TCall, TArgument> launch, CallLimit<TCall>? lacks)
        : IKernel<TCall> where TCall : struct, IOpCall where TArgument : unmanaged
    {
        public bool Supports(in TCall call, out string? reason)
        {
            reason = lacks?.Invoke(in call);
            return reason is null;
        }

        public void Run(in TCall call)
        {
            LaunchShape shape = launch(in call, out TArgument argument);
            kernel.Launch(shape, argument);
        }
    }
}
