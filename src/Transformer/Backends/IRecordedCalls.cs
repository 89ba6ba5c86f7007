namespace Transformer.Backends;

/// <summary>Calls that a device can be given as one; see <see cref="Backend.Record"/>.</summary>
public interface IRecordedCalls : IDisposable
{
    /// <summary>Gives the device all of the calls, in their order, after the work it has.
    /// </summary>
    void Run();
}
