using ILGPU.Runtime;
using Transformer.Backends;

namespace Transformer.Kernels.Ilgpu.Host;

/// <summary>Two marks in a device's default stream; CUDA's are events.</summary>
/// <param name="device">Of a context that was made with profiling.</param>
/// <param name="gate">Held while the device is given work.</param>
/// <param name="cacheBytes">Of the device's largest cache.</param>
internal sealed class StreamTimer(Accelerator device, Lock gate, long cacheBytes) : IDeviceTimer
{
    private ProfilingMarker? first;

    public long CacheBytes => cacheBytes;

    public void Start()
    {
        lock (gate)
        {
            device.Bind();
            first?.Dispose();
            first = device.DefaultStream.AddProfilingMarker();
        }
    }

    public double Stop()
    {
        lock (gate)
        {
            device.Bind();
            using ProfilingMarker last = device.DefaultStream.AddProfilingMarker();
            return last.MeasureFrom(first!).TotalSeconds; // waits for both
        }
    }

    public void Dispose()
    {
        lock (gate)
        {
            device.Bind();
            first?.Dispose();
        }
    }
}
