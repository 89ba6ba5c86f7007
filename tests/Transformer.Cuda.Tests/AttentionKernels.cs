using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Tensors;
using Transformer.Verification;

namespace Transformer.Cuda.Tests;

/// <summary>Which of attention's kernels run: counts the calling thread's launches.</summary>
internal static partial class AttentionKernels
{
    private static readonly string[] Forward = ["forward_"], Backward = ["query_", "key_"];

    /// <summary>True for a case of attention that belongs on tensor cores, false for one that does
    /// not; null for what is no attention, or computes nothing.</summary>
    public static bool? Of(ParityCase parity)
    {
        if (parity.Op != "FusedAttention") return null;
        // "[B, Hq/Hkv, Sq×Skv, D/Dv] …"
        string[] sizes = parity.Name[1..parity.Name.IndexOf(']', StringComparison.Ordinal)]
            .Split(", ");
        if (sizes[0] == "0" || sizes[2].Split('×').Contains("0")) return null;
        int width = sizes[3].Split('/').Max(int.Parse);
        const int widest = 256;
        return parity.DType != DType.Float32 && width <= widest;
    }

    /// <summary>Launches so far of each kernel that the case may take: on tensor cores, and not.
    /// </summary>
    public static long[] Launches(ParityCase parity) =>
        [.. (parity.Direction == OpDirection.Forward ? Forward : Backward)
            .SelectMany<string, long>(kernel =>
            [
                transformer_emulation_launches("attention_tensor_" + kernel) +
                    transformer_emulation_launches("attention_hopper_" + kernel),
                transformer_emulation_launches("attention_" + kernel),
            ])];

    /// <summary>Fails unless the case has since launched what it should, once.</summary>
    public static void Check(ParityCase parity, long[] before)
    {
        if (Of(parity) is not { } tensor) return;
        long[] expected = [.. before.Select((n, i) => n + (i % 2 == 0 == tensor ? 1 : 0))];
        Assert.True(expected.SequenceEqual(Launches(parity)),
            $"{parity.Name} ({parity.DType}) took the wrong kernels");
    }

    /// <summary>Launches so far of the kernels for 9.0.</summary>
    public static long HopperLaunches() => transformer_emulation_launches("attention_hopper_");

    [LibraryImport("libcuda_emulated.so", StringMarshalling = StringMarshalling.Utf8)]
    private static partial long transformer_emulation_launches(string beginning);
}
