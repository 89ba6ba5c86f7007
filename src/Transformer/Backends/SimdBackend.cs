using System.Globalization;
using System.Runtime.Intrinsics;
using Transformer.Ops;

namespace Transformer.Backends;

/// <summary>
/// Vectorised, multi-threaded kernels for any CPU: 512-, 256- or 128-bit vectors, whichever the
/// machine accelerates.
/// </summary>
public sealed class SimdBackend : Backend
{
    private SimdBackend()
    {
        Register(new FusedAttentionBackwardSimd());
        Register(new FusedAttentionForwardSimd());
        Register(new KvCacheAppendForwardSimd());
    }

    /// <summary>The only instance.</summary>
    public static SimdBackend Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "simd";

    /// <inheritdoc/>
    public override string Device => string.Create(
        CultureInfo.InvariantCulture,
        $"CPU, {VectorBits}-bit vectors, {CpuParallel.ThreadCount} threads");

    /// <inheritdoc/>
    public override int Priority => 10;

    /// <summary>Width of the vectors in use, in bits.</summary>
    public static int VectorBits =>
        Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128;
}
