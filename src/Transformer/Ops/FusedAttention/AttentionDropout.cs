using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>
/// The random words of attention dropout: Philox 4×32-10 with counter (j / 4, i, b·Hq + h, 0) under
/// a key drawn from (seed, step, stream); word j mod 4 belongs to key j.
/// </summary>
/// <remarks>A weight's word depends on its place alone, so that every backend and tiling draws the
/// same mask. Salmon et al. 2011.</remarks>
internal static unsafe class AttentionDropout
{
    /// <summary>The call's key.</summary>
    public static ulong Key(in AttentionInputs inputs)
    {
        long* state = inputs.RandomState.Pointer<long>();
        ulong seed = (ulong)state[0];
        (uint low, uint high, _, _) = Philox.Block((uint)state[1], (uint)(state[1] >> 32),
            inputs.Options.DropoutStream, 0, (uint)seed, (uint)(seed >> 32));
        return low | ((ulong)high << 32);
    }

    /// <summary>The word of one weight.</summary>
    /// <param name="callKey">What <see cref="Key"/> gave.</param>
    /// <param name="head">b·Hq + h.</param>
    /// <param name="query">i.</param>
    /// <param name="key">j.</param>
    public static uint Word(ulong callKey, uint head, int query, int key) =>
        Philox.Word(callKey, 0, head, ((ulong)query << 34) | (uint)key);
}
