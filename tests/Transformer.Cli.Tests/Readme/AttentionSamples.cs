// snippet: attention-options
using Transformer.Layers;
using Transformer.Ops;

// /snippet
using Transformer.Samples;

namespace Transformer.Cli.Tests.Readme;

/// <summary>What the page of FusedAttention shows of its entries.</summary>
internal static class AttentionSamples
{
    public static float Options()
    {
        // snippet: attention-options
        const int heads = 8, kvHeads = 2, length = 128, width = 64;
        AttentionSizes sizes = new(1, heads, kvHeads, length, length, width, width);
        Half[] q = new Half[heads * length * width], k = new Half[kvHeads * length * width];
        Half[] v = new Half[k.Length], output = new Half[q.Length];
        Array.Fill(v, (Half)1);
        float[] slopes = new float[heads];
        AlibiSlopes.Fill(slopes);

        AttentionOptions options =
            new() { Causal = CausalAlignment.TopLeft, Window = new(32, -1) };
        FusedAttention.Forward<Half>(
            q, k, v, new AttentionExtras { AlibiSlopes = slopes }, sizes, options, output);
        // /snippet
        return (float)output[^1];
    }

    public static float Modifier()
    {
        const int heads = 2, length = 16, width = 8;
        AttentionSizes sizes = new(1, heads, heads, length, length, width, width);
        float[] q = new float[heads * length * width], k = new float[q.Length];
        float[] v = new float[q.Length], output = new float[q.Length], dO = new float[q.Length];
        float[] sums = new float[heads * length], slopes = [0.5f, 0.25f];
        float[] dq = new float[q.Length], dk = new float[q.Length], dv = new float[q.Length];
        Array.Fill(dO, 1f);
        AttentionOptions options = default;
        // snippet: modifier-calls
        AlibiModifier alibi = new(slopes, offset: 0);
        FusedAttention.Forward<float, AlibiModifier>(
            q, k, v, extras: default, sizes, options, alibi, output, sums);
        FusedAttention.Backward<float, AlibiModifier>(
            q, k, v, output, sums, dO, extras: default, sizes, options, alibi, dq, dk, dv);
        // /snippet
        return dv.Sum();
    }

    public static float PagedCache()
    {
        // snippet: paged-cache
        const int heads = 8, kvHeads = 2, width = 64, batch = 3;
        using KvPagePool pool = new(new KvPageShape(256, 16, kvHeads, width)); // 256 pages of 16
        using KvCache cache = new(pool, batch, capacity: 1024);

        const int added = 1; // new positions a sequence
        float[] k = new float[batch * added * kvHeads * width]; // [batch, added, kvHeads · width]
        float[] v = new float[k.Length];
        float[] q = new float[batch * heads * added * width]; // [batch, heads, added, width]
        float[] output = new float[q.Length];
        Array.Fill(v, 1f);
        for (int step = 0; step < 20; step++)
        {
            cache.Append<float>(k, v, added);
            cache.Attend<float>(q, heads, added, new() { Causal = CausalAlignment.BottomRight },
                output);
        }

        // /snippet
        return output[^1];
    }
}
