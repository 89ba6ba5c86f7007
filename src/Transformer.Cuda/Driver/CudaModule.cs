using System.Collections.Concurrent;
using System.Text;

namespace Transformer.Cuda.Driver;

/// <summary>Compiled kernels on a device, loaded when the first of them is asked for and kept until
/// the process ends: recorded graphs and work in flight refer to them.</summary>
internal sealed unsafe class CudaModule(CudaDevice device, string name, byte[] image)
{
    private const int MaximumDynamicSharedBytes = 8;
    private const int ErrorLog = 5, ErrorLogBytes = 6;
    private const int LogBytes = 8192;

    private readonly ConcurrentDictionary<string, nint> functions = new();
    private readonly Lock gate = new();
    private nint module;

    /// <summary>The kernel of a name.</summary>
    /// <exception cref="CudaException">The driver takes the image not, or it has no such kernel.
    /// </exception>
    public nint Function(string kernel) => functions.TryGetValue(kernel, out nint known)
        ? known : functions.GetOrAdd(kernel, Find);

    private nint Find(string kernel)
    {
        device.Enter();
        lock (gate)
        {
            if (module == 0) Load();
        }

        CudaException.Check(
            DriverApi.cuModuleGetFunction(out nint function, module, kernel),
            device.Description, $"'{kernel}' of {name}");
        // Blocks get as much shared memory as a launch asks for, not only the 48 KiB of old.
        CudaException.Check(
            DriverApi.cuFuncSetAttribute(function, MaximumDynamicSharedBytes, device.SharedBytes),
            device.Description, kernel);
        return function;
    }

    private void Load()
    {
        byte[] text = [.. image, 0];
        byte[] log = new byte[LogBytes];
        int* options = stackalloc int[] { ErrorLog, ErrorLogBytes };
        fixed (byte* image = text, errors = log)
        {
            void** values = stackalloc void*[] { errors, (void*)LogBytes };
            int status = DriverApi.cuModuleLoadDataEx(
                out module, image, 2, options, values);
            string said = Encoding.UTF8.GetString(log).TrimEnd('\0').ReplaceLineEndings(" ");
            CudaException.Check(
                status, device.Description, said.Length == 0 ? name : $"{name}: {said}",
                nameof(DriverApi.cuModuleLoadDataEx));
        }
    }
}
