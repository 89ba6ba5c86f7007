using System.Reflection;
using ILGPU;
using ILGPU.Backends;
using ILGPU.Backends.EntryPoints;
using ILGPU.Backends.PTX;
using ILGPU.IR;
using ILGPU.IR.Intrinsics;
using ILGPU.IR.Values;
using Transformer.Kernels.Ilgpu.Device;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>Compiles kernels in a context of its own, which is made anew when a kernel does not
/// compile: such a context may refuse every later kernel.</summary>
/// <param name="make">Makes a backend for the device in a context.</param>
internal sealed class KernelCompiler(Func<Context, ILGPU.Backends.Backend> make)
{
    private Context? context;
    private ILGPU.Backends.Backend? backend;

    /// <summary>Compiles a method for the device.</summary>
    /// <exception cref="NotSupportedException">It does not compile; says why.</exception>
    public CompiledKernel Compile(MethodInfo method)
    {
        context ??= CreateContext();
        backend ??= make(context);
        try
        {
            return backend.Compile(
                EntryPointDescription.FromExplicitlyGroupedKernel(method), default);
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
