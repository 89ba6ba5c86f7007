using System.Text;
using Transformer.Backends;
using Transformer.Numerics;
using Transformer.Tensors;

namespace Transformer.Verification;

/// <summary>What all memories of one case share: its seed and what was computed beforehand.
/// </summary>
/// <param name="seed">Seeds every random operand.</param>
/// <param name="dtype">Element type whose values the inputs take, whatever stores them.</param>
/// <param name="unaligned">Buffers start at odd element offsets.</param>
/// <param name="preparations">Backends that may compute inputs which are results of another call;
/// the first that can does.</param>
/// <param name="preparationType">Element type of that computation.</param>
internal sealed class CaseData(
    ulong seed, DType dtype, bool unaligned, ReadOnlySpan<Backend> preparations,
    DType preparationType)
{
    private readonly Backend[] preparations = [.. preparations];
    private readonly Dictionary<string, IReadOnlyDictionary<string, double[]>> prepared = [];

    public DType DType => dtype;

    public bool Unaligned => unaligned;

    public static ulong Hash(string text)
    {
        ulong hash = 14695981039346656037;
        foreach (byte b in Encoding.UTF8.GetBytes(text)) hash = (hash ^ b) * 1099511628211;
        return hash;
    }

    public double[] Normal(string name, long count, double mean, double deviation)
    {
        double[] values = new double[count];
        uint stream = (uint)Hash(name);
        for (long i = 0; i < count; i += 4)
        {
            (uint x, uint y, uint z, uint w) = Philox.Block(
                (uint)i, (uint)(i >> 32), 0, stream, (uint)seed, (uint)(seed >> 32));
            (double a, double b) = BoxMuller(x, y);
            (double c, double d) = BoxMuller(z, w);
            ReadOnlySpan<double> four = [a, b, c, d];
            for (int k = 0; k < 4 && i + k < count; k++)
            {
                values[i + k] = mean + (deviation * four[k]);
            }
        }

        return values;
    }

    public int[] Integers(string name, int count, int exclusiveLimit)
    {
        int[] values = new int[count];
        uint stream = (uint)Hash(name);
        for (int i = 0; i < count; i++)
        {
            uint word = Philox.Word(seed, stream, 1, (ulong)i);
            values[i] = (int)((ulong)word * (uint)exclusiveLimit >> 32);
        }

        return values;
    }

    public double Round(double value) => dtype switch
    {
        DType.Float16 => (double)(Half)value,
        DType.BFloat16 => (float)(BFloat16)(float)value,
        DType.Float32 => (float)value,
        _ => value,
    };

    /// <summary>Runs another call on the case's inputs once and keeps its outputs.</summary>
    /// <exception cref="NotSupportedException">No backend can.</exception>
    public IReadOnlyDictionary<string, double[]> Prepare<TCall>(
        string key, Func<CaseMemory, TCall> build) where TCall : struct, IOpCall
    {
        if (prepared.TryGetValue(key, out var values)) return values;
        string? lack = null;
        foreach (Backend backend in preparations)
        {
            using CaseMemory memory = new(this, backend.Memory, preparationType);
            TCall call = build(memory);
            call.Validate();
            if (!backend.Supports(in call, out lack)) continue;
            backend.Run(in call);
            backend.Synchronize();
            return prepared[key] = memory.ReadOutputs();
        }

        throw new NotSupportedException(
            $"{TCall.Op}: nothing can make this call's inputs: {lack}. Choose another backend.");
    }

    private static (double, double) BoxMuller(uint a, uint b)
    {
        double radius = Math.Sqrt(-2 * Math.Log((a + 1.0) / 4294967296.0));
        (double sin, double cos) = Math.SinCos(2 * Math.PI * b / 4294967296.0);
        return (radius * cos, radius * sin);
    }
}
