using Transformer.Backends;

namespace Transformer.Models.Graph;

/// <summary>
/// The calls of one pass. Their first run loads what they need; the second is recorded where the
/// backend can, and from then on the device is given all of them as one.
/// </summary>
internal sealed class CallSequence(Backend backend, bool record) : IDisposable
{
    private PreparedCall[] calls = [];
    private IRecordedCalls? recorded;
    private bool wanted, warm;

    public bool IsRecorded => recorded is not null;

    /// <summary>Takes other calls, or the same ones on other memory.</summary>
    public void Reset(ReadOnlySpan<PreparedCall> others)
    {
        Dispose();
        calls = others.ToArray();
        wanted = record;
        warm = false;
    }

    public void Run()
    {
        if (wanted && warm)
        {
            recorded = calls.Length > 0 ? backend.Record(calls) : null;
            wanted = false;
        }

        if (recorded is not null)
        {
            recorded.Run();
            return;
        }

        foreach (PreparedCall call in calls) call.Run();
        warm = true;
    }

    public void Dispose()
    {
        recorded?.Dispose();
        recorded = null;
    }
}
