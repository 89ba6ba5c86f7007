namespace Transformer.Ops;

/// <summary>The inputs of an attention call in double, and one row of its scores at a time.
/// </summary>
internal sealed unsafe class AttentionReferenceProblem
{
    private readonly AttentionInputs inputs;
    private readonly AttentionSizes sizes;
    private readonly AttentionOptions options;
    private readonly AttentionStrides queryStrides;
    private readonly AttentionStrides keyStrides;
    private readonly AttentionStrides valueStrides;
    private readonly double scale;

    public AttentionReferenceProblem(in AttentionInputs inputs)
    {
        this.inputs = inputs;
        sizes = inputs.Sizes;
        options = inputs.Options;
        queryStrides = inputs.EffectiveQueryStrides;
        keyStrides = inputs.EffectiveKeyStrides;
        valueStrides = inputs.EffectiveValueStrides;
        scale = options.EffectiveScale(sizes.HeadDimension);
        if (inputs.KeyLengths.IsPresent)
        {
            IdCheck.Lengths(AttentionForward.Op, "keyLengths", inputs.KeyLengths.Pointer<int>(),
                sizes.Batch, sizes.KeyLength);
        }

        Query = ReferenceBuffers.Read(inputs.Query);
        Key = ReferenceBuffers.Read(inputs.Key);
        Value = ReferenceBuffers.Read(inputs.Value);
    }

    public double[] Query { get; }

    public double[] Key { get; }

    public double[] Value { get; }

    public double Scale => scale;

    /// <summary>Index of query (b, h, i, 0); h counts query heads in all three methods.</summary>
    public long QueryAt(int b, int h, int i) => At(queryStrides, b, h, i);

    /// <summary>Index of the key (b, h, j, 0) that query head h reads.</summary>
    public long KeyAt(int b, int h, int j) => At(keyStrides, b, KeyValueHead(h), j);

    /// <summary>Index of the value (b, h, j, 0) that query head h reads.</summary>
    public long ValueAt(int b, int h, int j) => At(valueStrides, b, KeyValueHead(h), j);

    /// <summary>Index of an element (b, h, i, 0) under the given strides.</summary>
    public static long At(AttentionStrides strides, int b, int h, int i) =>
        (b * strides.Batch) + (h * strides.Head) + (i * strides.Sequence);

    /// <summary>Index of the bias (b, h, i, 0).</summary>
    public long BiasAt(int b, int h, int i) => At(inputs.BiasLayout, b, h, i);

    /// <summary>scale · q·k for every key, hidden ones included.</summary>
    public void RawScores(int b, int h, int i, double[] scores)
    {
        long query = QueryAt(b, h, i);
        for (int j = 0; j < sizes.KeyLength; j++)
        {
            long key = KeyAt(b, h, j);
            double sum = 0;
            for (int d = 0; d < sizes.HeadDimension; d++) sum += Query[query + d] * Key[key + d];
            scores[j] = scale * sum;
        }
    }

    /// <summary>s ← c·tanh(s/c), where there is a cap.</summary>
    public void Cap(double[] scores)
    {
        if (options.SoftCap == 0) return;
        for (int j = 0; j < sizes.KeyLength; j++)
        {
            scores[j] = options.SoftCap * Math.Tanh(scores[j] / options.SoftCap);
        }
    }

    /// <summary>ds/d(raw score) for a capped score: 1 − tanh², 1 without a cap.</summary>
    public double CapDerivative(double capped)
    {
        if (options.SoftCap == 0) return 1;
        double tanh = capped / options.SoftCap;
        return 1 - (tanh * tanh);
    }

    /// <summary>Adds the bias and sets −∞ where a key is hidden.</summary>
    public void Mask(int b, int h, int i, double[] scores)
    {
        for (int j = 0; j < sizes.KeyLength; j++)
        {
            double bias = Bias(b, h, i, j);
            // Selected, never computed: a hidden key's score may be NaN.
            bool visible = IsVisible(b, h, i, j) && !double.IsNegativeInfinity(bias);
            scores[j] = visible ? scores[j] + bias : double.NegativeInfinity;
        }
    }

    /// <summary>Turns scores into weights; a row of −∞ gives zeros.</summary>
    /// <returns>The log-sum-exp of the scores.</returns>
    public double Softmax(double[] scores)
    {
        double max = double.NegativeInfinity;
        for (int j = 0; j < sizes.KeyLength; j++) max = Math.Max(max, scores[j]);
        double sum = 0;
        for (int j = 0; j < sizes.KeyLength; j++)
        {
            scores[j] = double.IsNegativeInfinity(scores[j]) ? 0 : Math.Exp(scores[j] - max);
            sum += scores[j];
        }

        if (double.IsNegativeInfinity(max)) return max;
        for (int j = 0; j < sizes.KeyLength; j++)
        {
            // A hidden key's weight stays 0 even where the sum is NaN.
            if (scores[j] != 0) scores[j] /= sum;
        }

        return max + Math.Log(sum);
    }

    private bool IsVisible(int b, int h, int i, int j)
    {
        int keys = inputs.KeyLengths.IsPresent
            ? inputs.KeyLengths.Pointer<int>()[b] : sizes.KeyLength;
        if (j >= keys) return false;
        long position = (long)i + inputs.PositionOffset(keys);
        if (options.Causal != CausalAlignment.None && j > position) return false;
        if (options.Window is { } window)
        {
            if (window.Left >= 0 && j < position - window.Left) return false;
            if (window.Right >= 0 && j > position + window.Right) return false;
        }

        if (inputs.Bias.IsPresent && j >= inputs.BiasLayout.KeyCount) return false;
        if (inputs.Mask.IsAbsent) return true;
        return j < inputs.MaskLayout.KeyCount &&
            inputs.Mask.Pointer<bool>()[At(inputs.MaskLayout, b, h, i) + j];
    }

    private double Bias(int b, int h, int i, int j) =>
        inputs.Bias.IsPresent && j < inputs.BiasLayout.KeyCount
            ? ReferenceBuffers.Get(inputs.Bias, BiasAt(b, h, i) + j) : 0;

    private int KeyValueHead(int h) => h / (sizes.QueryHeads / sizes.KeyValueHeads);

    private static long At(AttentionMaskLayout layout, int b, int h, int i) =>
        (b * layout.Batch) + (h * layout.Head) + (i * layout.Query);
}
