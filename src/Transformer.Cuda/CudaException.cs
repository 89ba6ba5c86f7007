using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Transformer.Cuda.Driver;

namespace Transformer.Cuda;

/// <summary>A call to the CUDA driver failed.</summary>
public sealed class CudaException : Exception
{
    private const int OutOfMemory = 2;

    private CudaException(string message, string call, int status) : base(message)
    {
        Call = call;
        Status = status;
    }

    /// <summary>The driver function.</summary>
    public string Call { get; }

    /// <summary>Its status, a CUresult.</summary>
    public int Status { get; }

    /// <summary>Throws unless the status is 0.</summary>
    /// <param name="status">What the call returned.</param>
    /// <param name="device">For whom, such as "device 0 'NVIDIA H200'".</param>
    /// <param name="subject">What the call was about: a kernel, a number of bytes; or null.
    /// </param>
    /// <param name="call">The expression of the call, given by the compiler.</param>
    /// <exception cref="CudaException">The call failed.</exception>
    /// <exception cref="InsufficientMemoryException">The device has not enough memory.</exception>
    internal static void Check(
        int status, string device, string? subject = null,
        [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status != 0) Throw(status, device, subject, call);
    }

    /// <summary>The same for a call about a number of bytes; makes no text unless it failed.
    /// </summary>
    internal static void Check(
        int status, string device, long bytes,
        [CallerArgumentExpression(nameof(status))] string call = "")
    {
        if (status != 0) Throw(status, device, $"{bytes} bytes", call);
    }

    /// <summary>The driver's name and text of a status.</summary>
    internal static unsafe string Describe(int status)
    {
        bool known = DriverApi.cuGetErrorName(status, out byte* name) == 0 && name != null;
        string text = DriverApi.cuGetErrorString(status, out byte* words) == 0 && words != null
            ? Marshal.PtrToStringUTF8((nint)words)! : "no description";
        return $"{(known ? Marshal.PtrToStringUTF8((nint)name) : "unknown status")} " +
            $"({status}: {text})";
    }

    [DoesNotReturn]
    private static void Throw(int status, string device, string? subject, string call)
    {
        int end = call.IndexOf('(', StringComparison.Ordinal);
        int start = call.LastIndexOf('.', end < 0 ? call.Length - 1 : end) + 1;
        string name = call[start..(end < 0 ? call.Length : end)];
        string about = subject is null ? "" : $" ({subject})";
        string message = $"CUDA: {name}{about} gave {Describe(status)} on {device}.";
        if (status == OutOfMemory)
        {
            throw new InsufficientMemoryException(
                $"{message} Use a smaller batch, or free other tensors first.");
        }

        throw new CudaException(message + Detail(status) + Remedy(status), name, status);
    }

    private static bool IsFault(int status) => status is 700 or 716 or 717 or 719;

    private static unsafe string Detail(int status)
    {
        if (!IsFault(status) || !DriverLibrary.IsEmulation) return "";
        string? said = Marshal.PtrToStringUTF8((nint)DriverApi.transformer_emulation_failure());
        return string.IsNullOrEmpty(said) ? "" : $" {said}.";
    }

    private static string Remedy(int status) => status switch
    {
        _ when IsFault(status) =>
            " A kernel has failed and this process can use the device no more; start it anew." +
            (DriverLibrary.IsEmulation ? "" : " compute-sanitizer tells which access it was."),
        209 or 218 or 222 => " The kernels do not fit this driver; update it.",
        _ => "",
    };
}
