using System.Diagnostics.CodeAnalysis;
using Transformer.Backends;

namespace Transformer.Ops;

/// <summary>Runs the calls that the span entries build on pinned spans.</summary>
internal static class SpanEntry
{
    /// <summary>Runs a call on a backend that reads host memory; the CPU's where none is named.
    /// </summary>
    /// <exception cref="NotSupportedException">The backend has memory of its own.</exception>
    public static void Run<TCall>(Backend? backend, in TCall call) where TCall : struct, IOpCall
    {
        backend ??= BackendRegistry.Cpu;
        RequireHostMemory<TCall>(backend);
        backend.Run(in call);
        // The spans are pinned only until the entry returns.
        backend.Synchronize();
    }

    /// <summary>Requires a backend that reads host memory.</summary>
    /// <exception cref="NotSupportedException">The backend has memory of its own.</exception>
    public static void RequireHostMemory<TCall>(Backend backend) where TCall : struct, IOpCall
    {
        if (!backend.Memory.IsHostAccessible) ThrowDeviceMemory<TCall>(backend);
    }

    [DoesNotReturn]
    private static void ThrowDeviceMemory<TCall>(Backend backend) where TCall : struct, IOpCall =>
        throw new NotSupportedException(
            $"{TCall.Op}: backend '{backend.Name}' has memory of its own; spans lie in the " +
            "host's. Put the data in tensors of Backend.Memory and pass the call to Backend.Run.");
}
