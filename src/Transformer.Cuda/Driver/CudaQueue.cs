using System.Diagnostics.CodeAnalysis;
using Transformer.Backends;
using Transformer.Cuda.Memory;

namespace Transformer.Cuda.Driver;

/// <summary>Where kernels are launched: a stream of a device and the kernels loaded there. Opened
/// when somebody first needs it.</summary>
/// <param name="ordinal">The device's number.</param>
/// <param name="context">Somebody else's context, or 0.</param>
/// <param name="foreign">Somebody else's stream, or null for one of its own.</param>
internal sealed class CudaQueue(int ordinal, nint context, nint? foreign)
{
    // The queue and stream that record what this thread launches.
    [ThreadStatic]
    private static (CudaQueue? Queue, CudaStream? Stream) recording;

    private readonly Lock gate = new();
    private CudaStream? stream;
    private string? reason;

    /// <summary>Null, or why nothing can be launched.</summary>
    public string? UnavailableReason
    {
        get
        {
            if (Volatile.Read(ref stream) is not null) return null;
            lock (gate)
            {
                if (stream is null && reason is null) Open();
                return reason;
            }
        }
    }

    /// <summary>The device.</summary>
    /// <exception cref="NotSupportedException">There is none.</exception>
    public CudaDevice Device => Main.Device;

    /// <summary>Where work goes now: the queue's stream, or the one that records.</summary>
    /// <exception cref="NotSupportedException">There is no device.</exception>
    public CudaStream Stream => recording.Queue == this ? recording.Stream! : Main;

    /// <summary>True while this thread's launches are recorded instead of run.</summary>
    public bool IsRecording => recording.Queue == this;

    private CudaStream Main
    {
        get
        {
            if (Volatile.Read(ref stream) is { } open) return open;
            if (UnavailableReason is { } absent) ThrowAbsent(absent);
            return stream!;
        }
    }

    /// <summary>Memory for a launch.</summary>
    public CudaScratch Rent(long bytes) => new(Stream, bytes);

    /// <summary>One kernel of a file of native/.</summary>
    /// <param name="file">The file's name without its extension.</param>
    /// <param name="name">The kernel's name.</param>
    public CudaKernel Kernel(string file, string name) => new(this, file, name);

    /// <summary>Turns what the calls launch into a graph; runs nothing.</summary>
    public CudaGraph Record(ReadOnlySpan<PreparedCall> calls)
    {
        // A stream of its own: other threads go on launching into the queue's meanwhile.
        using CudaStream side = new(Device);
        CudaCapture capture = new(side);
        recording = (this, side);
        try
        {
            foreach (PreparedCall call in calls) call.Run();
        }
        catch
        {
            capture.Abandon();
            throw;
        }
        finally
        {
            recording = default;
        }

        return capture.End(Main);
    }

    private void Open()
    {
        CudaDevice? device = CudaDevice.TryOpen(ordinal, context, out string? why);
        if ((why ??= device!.Kernels.UnavailableReason) is null)
        {
            try
            {
                Volatile.Write(
                    ref stream, foreign is { } own ? new(device!, own) : new(device!));
            }
            catch (Exception exception) when (exception is CudaException or OutOfMemoryException)
            {
                why = exception.Message.TrimEnd('.');
            }
        }

        reason = why;
    }

    [DoesNotReturn]
    private static void ThrowAbsent(string reason) =>
        throw new NotSupportedException($"CUDA: {reason}.");
}
