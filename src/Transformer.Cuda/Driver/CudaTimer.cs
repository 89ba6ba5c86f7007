using Transformer.Backends;

namespace Transformer.Cuda.Driver;

/// <summary>Two marks in a queue's stream.</summary>
internal sealed class CudaTimer(CudaQueue queue) : IDeviceTimer
{
    private readonly CudaEvent first = new(queue.Device), last = new(queue.Device);

    public long CacheBytes => queue.Device.CacheBytes;

    public void Start() => first.Record(queue.Stream);

    public double Stop()
    {
        last.Record(queue.Stream);
        last.Synchronize();
        return last.SecondsSince(first);
    }

    public void Dispose()
    {
        first.Dispose();
        last.Dispose();
    }
}
