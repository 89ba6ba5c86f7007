using Transformer.Models.Training;

namespace Transformer.Models.Tests.Training;

/// <summary>What steps allocate on the training thread, in runs of equal length.</summary>
/// <param name="first">The step after which runs begin: all shapes have occurred.</param>
/// <param name="length">Steps of a run; as many as lie between two validations, so that each run
/// holds one.</param>
internal sealed class StepAllocations(long first, long length) : ITrainingObserver
{
    private long before;

    /// <summary>Runs that were measured.</summary>
    public int Runs { get; private set; }

    /// <summary>Bytes of the run that allocated least: the runtime may charge a thread for its own
    /// one-time work; a step that allocates does so in every run.</summary>
    public long Least { get; private set; } = long.MaxValue;

    public void Stepped(in TrainingProgress progress)
    {
        long now = GC.GetAllocatedBytesForCurrentThread();
        if (progress.Step < first || (progress.Step - first) % length != 0) return;
        if (progress.Step > first)
        {
            Least = Math.Min(Least, now - before);
            Runs++;
        }

        before = GC.GetAllocatedBytesForCurrentThread();
    }
}
