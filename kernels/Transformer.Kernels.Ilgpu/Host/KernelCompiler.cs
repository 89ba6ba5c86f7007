using System.Reflection;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;
using ILGPU.Runtime;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>Compiles kernels in a context of its own, which is made anew when a kernel does not
/// compile: such a context may refuse every later kernel.</summary>
/// <param name="make">Makes a backend for the device in a context.</param>
internal sealed class KernelCompiler(Func<Context, ILGPU.Backends.Backend> make)
{
    private Context? context;
    private ILGPU.Backends.Backend? backend;

    /// <summary>Compiles a kernel and loads it.</summary>
    /// <param name="device">Where it is to run, in its default stream.</param>
    /// <param name="gate">Held by the caller now, and by each launch.</param>
    /// <param name="kernel">A static method over the kernel-side API.</param>
    /// <exception cref="NotSupportedException">It does not compile; says why.</exception>
    public KernelLauncher<TArgument> Load<TArgument>(
        Accelerator device, Lock gate, Action<TArgument> kernel) where TArgument : struct
    {
        device.Bind();
        var launch = Translate(kernel.Method, compiled => device.LoadKernel(compiled)
            .CreateLauncherDelegate<Action<AcceleratorStream, KernelConfig, TArgument>>());
        return (LaunchShape shape, in TArgument argument) =>
        {
            lock (gate)
            {
                device.Bind();
                launch(device.DefaultStream, shape.ToConfig(), argument);
            }
        };
    }

    /// <summary>Compiles a method for the device.</summary>
    /// <exception cref="NotSupportedException">It does not compile; says why.</exception>
    public CompiledKernel Compile(MethodInfo method) => Translate(method, compiled => compiled);

    private TResult Translate<TResult>(MethodInfo method, Func<CompiledKernel, TResult> finish)
    {
        context ??= CreateContext();
        backend ??= make(context);
        try
        {
            return finish(backend.Compile(
                EntryPointDescription.FromExplicitlyGroupedKernel(method), default));
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            Discard();
            Exception cause = exception.GetBaseException();
            throw new NotSupportedException(
                $"ILGPU: kernel {method.DeclaringType?.Name}.{method.Name} does not compile: " +
                $"{cause.Message.ReplaceLineEndings(" ").TrimEnd('.')}.", exception);
        }
    }

    private static Context CreateContext() => Context.Create(builder =>
    {
        builder.Optimize(OptimizationLevel.O2);
        // Score modifiers may ask for it; ILGPU has none for NVIDIA.
        builder.GetIntrinsicManager().RegisterUnaryArithmetic(
            UnaryArithmeticKind.LogF, BasicValueType.Float32,
            new PTXIntrinsic(new Func<float, float>(FloatMath.Log).Method,
                IntrinsicImplementationMode.Redirect));
    });

    private void Discard()
    {
        backend?.Dispose();
        context?.Dispose();
        backend = null;
        context = null;
    }
}
