using System.Runtime.InteropServices;
using Transformer.Backends;

namespace Transformer.Cuda.Driver;

/// <summary>Recorded launches that enter a stream as one.</summary>
internal sealed class CudaGraph : SafeHandle, IRecordedCalls
{
    private readonly CudaStream stream;

    public CudaGraph(CudaStream stream, nint executable) : base(0, ownsHandle: true)
    {
        this.stream = stream;
        SetHandle(executable);
    }

    public override bool IsInvalid => handle == 0;

    public void Run()
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        stream.Device.Enter();
        CudaException.Check(
            DriverApi.cuGraphLaunch(handle, stream.Handle), stream.Device.Description);
    }

    protected override bool ReleaseHandle()
    {
        // It may be running still, and its memory goes with it.
        _ = stream.Device.TryEnter() && DriverApi.cuStreamSynchronize(stream.Handle) == 0;
        return DriverApi.cuGraphExecDestroy(handle) == 0;
    }
}

/// <summary>A stream that records instead of running.</summary>
internal readonly ref struct CudaCapture
{
    // Other threads may do what would end a capture of theirs.
    private const int ThreadLocal = 1;

    private readonly CudaStream side;

    /// <summary>Begins to record what enters the stream.</summary>
    public CudaCapture(CudaStream side)
    {
        this.side = side;
        CudaException.Check(
            DriverApi.cuStreamBeginCapture_v2(side.Handle, ThreadLocal), side.Device.Description);
    }

    /// <summary>Ends the recording.</summary>
    /// <param name="target">The stream into which it will be launched.</param>
    public CudaGraph End(CudaStream target)
    {
        string device = side.Device.Description;
        CudaException.Check(DriverApi.cuStreamEndCapture(side.Handle, out nint graph), device);
        int status = DriverApi.cuGraphInstantiateWithFlags(out nint executable, graph, 0);
        _ = DriverApi.cuGraphDestroy(graph);
        CudaException.Check(status, device, call: nameof(DriverApi.cuGraphInstantiateWithFlags));
        return new(target, executable);
    }

    /// <summary>Ends a recording that has failed.</summary>
    public void Abandon()
    {
        if (DriverApi.cuStreamEndCapture(side.Handle, out nint graph) == 0 && graph != 0)
            _ = DriverApi.cuGraphDestroy(graph);
    }
}
