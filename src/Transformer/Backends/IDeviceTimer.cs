namespace Transformer.Backends;

/// <summary>Measures the time between two points of a device's work.</summary>
public interface IDeviceTimer : IDisposable
{
    /// <summary>Bytes of the device's largest cache: measurements that must not find their operands
    /// there go through more than these.</summary>
    long CacheBytes { get; }

    /// <summary>Marks the beginning: after the work that the device has been given.</summary>
    void Start();

    /// <summary>Marks the end, waits until the device gets there, and tells the seconds between.
    /// </summary>
    double Stop();
}
