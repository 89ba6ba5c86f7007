namespace Transformer.Kernels.Ilgpu.Launch;

/// <summary>Launches an op's kernels for tensors of one type.</summary>
internal interface ITyped<TCall>
{
    void Launch(in TCall call);
}

/// <summary>Elements and threads for maps over elements.</summary>
internal static class Elements
{
    private const int MostThreads = 256;

    /// <summary>A thread for each unit of work; kernels take further units in a loop.</summary>
    public static LaunchShape Shape(KernelQueue queue, long units)
    {
        int threads = queue.Limits.Threads(MostThreads);
        return new(
            Math.Min((units + threads - 1) / threads, queue.Limits.Groups(threads)), threads);
    }
}
