using System.Numerics.Tensors;
using Transformer.Ops;

namespace Transformer.Verification.Unfused;

/// <summary>
/// Attention as three passes over an Sq×Skv matrix a head: scores, softmax, product with the
/// values. One thread, vectorised row by row.
/// </summary>
/// <remarks>The baseline of the benchmarks: what is written without a fused kernel. Contiguous
/// layout, causal or full; no mask, bias, window or soft cap.</remarks>
internal static unsafe class UnfusedAttention
{
    public static void Forward(AttentionForward call)
    {
        AttentionInputs inputs = call.Inputs;
        AttentionSizes s = inputs.Sizes;
        float[] scores = new float[s.QueryLength * s.KeyLength];
        int group = s.QueryHeads / s.KeyValueHeads;
        float scale = (float)inputs.Options.EffectiveScale(s.HeadDimension);
        for (int head = 0; head < s.Batch * s.QueryHeads; head++)
        {
            (int batch, int queryHead) = Math.DivRem(head, s.QueryHeads);
            long keyHead = (batch * s.KeyValueHeads) + (queryHead / group);
            float* query =
                inputs.Query.Pointer<float>() + ((long)head * s.QueryLength * s.HeadDimension);
            float* key =
                inputs.Key.Pointer<float>() + (keyHead * s.KeyLength * s.HeadDimension);
            float* value =
                inputs.Value.Pointer<float>() + (keyHead * s.KeyLength * s.ValueDimension);
            float* output =
                call.Output.Pointer<float>() + ((long)head * s.QueryLength * s.ValueDimension);
            Scores(query, key, inputs, scale, scores);
            for (int i = 0; i < s.QueryLength; i++) Softmax(Row(scores, i, s.KeyLength));
            Product(scores, value, s, output);
        }
    }

    private static void Scores(
        float* query, float* key, in AttentionInputs inputs, float scale, float[] scores)
    {
        AttentionSizes s = inputs.Sizes;
        bool causal = inputs.Options.Causal != CausalAlignment.None;
        long offset = inputs.Options.PositionOffset(s.QueryLength, s.KeyLength);
        for (int i = 0; i < s.QueryLength; i++)
        {
            ReadOnlySpan<float> q = new(query + ((long)i * s.HeadDimension), s.HeadDimension);
            for (int j = 0; j < s.KeyLength; j++)
            {
                ReadOnlySpan<float> k = new(key + ((long)j * s.HeadDimension), s.HeadDimension);
                scores[(i * s.KeyLength) + j] = causal && j > i + offset
                    ? float.NegativeInfinity : scale * TensorPrimitives.Dot(q, k);
            }
        }
    }

    private static void Softmax(Span<float> row)
    {
        TensorPrimitives.Subtract(row, TensorPrimitives.Max<float>(row), row);
        TensorPrimitives.Exp(row, row);
        TensorPrimitives.Divide(row, TensorPrimitives.Sum<float>(row), row);
    }

    private static void Product(float[] weights, float* value, AttentionSizes s, float* output)
    {
        for (int i = 0; i < s.QueryLength; i++)
        {
            Span<float> o = new(output + ((long)i * s.ValueDimension), s.ValueDimension);
            o.Clear();
            for (int j = 0; j < s.KeyLength; j++)
            {
                ReadOnlySpan<float> v =
                    new(value + ((long)j * s.ValueDimension), s.ValueDimension);
                TensorPrimitives.MultiplyAdd(v, weights[(i * s.KeyLength) + j], o, o);
            }
        }
    }

    private static Span<float> Row(float[] matrix, int row, int width) =>
        matrix.AsSpan(row * width, width);
}
