using Transformer.Ops;

namespace Transformer.Verification;

// The shapes of the ops' own span entries. Where a span may be empty, empty means absent; outputs
// hold NaN beforehand; what is added to holds numbers.

/// <summary>As <see cref="FusedAttention"/>'s forward entry over contiguous tensors.</summary>
/// <param name="query">[B, Hq, Sq, D].</param>
/// <param name="key">[B, Hkv, Skv, D].</param>
/// <param name="value">[B, Hkv, Skv, Dv].</param>
/// <param name="sizes">Sizes; any may be 1, batch and lengths 0.</param>
/// <param name="options">Scale, causal alignment, window, soft cap: all are to be honoured, or
/// refused when the kernel is added.</param>
/// <param name="output">[B, Hq, Sq, Dv]; zeros where a query sees no key.</param>
/// <param name="logSumExp">[B, Hq, Sq]; may be empty; −∞ where a query sees no key.</param>
public delegate void AttentionForwardSpans(
    ReadOnlySpan<float> query, ReadOnlySpan<float> key, ReadOnlySpan<float> value,
    in AttentionSizes sizes, in AttentionOptions options, Span<float> output,
    Span<float> logSumExp);

/// <summary>As <see cref="FusedAttention"/>'s backward entry over contiguous tensors.</summary>
/// <param name="query">[B, Hq, Sq, D].</param>
/// <param name="key">[B, Hkv, Skv, D].</param>
/// <param name="value">[B, Hkv, Skv, Dv].</param>
/// <param name="output">[B, Hq, Sq, Dv] of the forward call.</param>
/// <param name="logSumExp">[B, Hq, Sq] of the forward call.</param>
/// <param name="outputGradient">[B, Hq, Sq, Dv].</param>
/// <param name="sizes">Sizes.</param>
/// <param name="options">Options of the forward call.</param>
/// <param name="queryGradient">[B, Hq, Sq, D], overwritten.</param>
/// <param name="keyGradient">[B, Hkv, Skv, D], overwritten; summed over grouped heads.</param>
/// <param name="valueGradient">[B, Hkv, Skv, Dv], overwritten; summed over grouped heads.</param>
public delegate void AttentionBackwardSpans(
    ReadOnlySpan<float> query, ReadOnlySpan<float> key, ReadOnlySpan<float> value,
    ReadOnlySpan<float> output, ReadOnlySpan<float> logSumExp,
    ReadOnlySpan<float> outputGradient, in AttentionSizes sizes, in AttentionOptions options,
    Span<float> queryGradient, Span<float> keyGradient, Span<float> valueGradient);

/// <summary>As <see cref="LayerNorm"/>'s forward entry without a residual.</summary>
/// <param name="input">[Rows, Width].</param>
/// <param name="weight">[Width]; empty means ones.</param>
/// <param name="bias">[Width]; empty means zeros.</param>
/// <param name="sizes">Sizes.</param>
/// <param name="options">Options.</param>
/// <param name="output">[Rows, Width]; may be the input itself.</param>
/// <param name="mean">[Rows]; may be empty.</param>
/// <param name="inverseStd">[Rows], 1/√(variance + ε); may be empty.</param>
public delegate void LayerNormForwardSpans(
    ReadOnlySpan<float> input, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias,
    in LayerNormSizes sizes, in LayerNormOptions options, Span<float> output, Span<float> mean,
    Span<float> inverseStd);

/// <summary>As <see cref="LayerNorm"/>'s backward entry without a gradient of the sum.</summary>
/// <param name="sum">[Rows, Width]: what was normalised.</param>
/// <param name="weight">[Width]; empty means ones.</param>
/// <param name="mean">[Rows] of the forward call.</param>
/// <param name="inverseStd">[Rows] of the forward call.</param>
/// <param name="outputGradient">[Rows, Width].</param>
/// <param name="sizes">Sizes.</param>
/// <param name="inputGradient">[Rows, Width], overwritten; may be the output's gradient itself.
/// </param>
/// <param name="weightGradient">[Width], added to; may be empty.</param>
/// <param name="biasGradient">[Width], added to; may be empty.</param>
public delegate void LayerNormBackwardSpans(
    ReadOnlySpan<float> sum, ReadOnlySpan<float> weight, ReadOnlySpan<float> mean,
    ReadOnlySpan<float> inverseStd, ReadOnlySpan<float> outputGradient, in LayerNormSizes sizes,
    Span<float> inputGradient, Span<float> weightGradient, Span<float> biasGradient);

/// <summary>As <see cref="Linear"/>'s forward entry.</summary>
/// <param name="input">[Rows, InputFeatures].</param>
/// <param name="weight">[OutputFeatures, InputFeatures].</param>
/// <param name="bias">[OutputFeatures]; may be empty.</param>
/// <param name="sizes">Sizes.</param>
/// <param name="options">Options.</param>
/// <param name="output">[Rows, OutputFeatures].</param>
/// <param name="preActivation">[Rows, OutputFeatures]; may be empty.</param>
public delegate void LinearForwardSpans(
    ReadOnlySpan<float> input, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias,
    in LinearSizes sizes, in LinearOptions options, Span<float> output,
    Span<float> preActivation);

/// <summary>As <see cref="Linear"/>'s backward entry.</summary>
/// <param name="input">[Rows, InputFeatures].</param>
/// <param name="weight">[OutputFeatures, InputFeatures].</param>
/// <param name="preActivation">[Rows, OutputFeatures]; empty where there is no activation.</param>
/// <param name="outputGradient">[Rows, OutputFeatures].</param>
/// <param name="sizes">Sizes.</param>
/// <param name="options">Options of the forward call.</param>
/// <param name="inputGradient">[Rows, InputFeatures], overwritten; may be empty.</param>
/// <param name="weightGradient">[OutputFeatures, InputFeatures], added to; may be empty.</param>
/// <param name="biasGradient">[OutputFeatures], added to; may be empty.</param>
public delegate void LinearBackwardSpans(
    ReadOnlySpan<float> input, ReadOnlySpan<float> weight, ReadOnlySpan<float> preActivation,
    ReadOnlySpan<float> outputGradient, in LinearSizes sizes, in LinearOptions options,
    Span<float> inputGradient, Span<float> weightGradient, Span<float> biasGradient);

/// <summary>As <see cref="GeluFeedForward"/>'s forward entry.</summary>
/// <param name="input">[Rows, Width].</param>
/// <param name="parameters">Weights and biases.</param>
/// <param name="sizes">Sizes.</param>
/// <param name="options">Options.</param>
/// <param name="output">[Rows, OutputWidth].</param>
/// <param name="preActivation">[Rows, Hidden]; may be empty.</param>
public delegate void FeedForwardForwardSpans(
    ReadOnlySpan<float> input, in FeedForwardParameters<float> parameters,
    in FeedForwardSizes sizes, in FeedForwardOptions options, Span<float> output,
    Span<float> preActivation);

/// <summary>As <see cref="GeluFeedForward"/>'s backward entry.</summary>
/// <param name="input">[Rows, Width].</param>
/// <param name="parameters">The weights; the biases are empty.</param>
/// <param name="preActivation">[Rows, Hidden] of the forward call.</param>
/// <param name="outputGradient">[Rows, OutputWidth].</param>
/// <param name="sizes">Sizes.</param>
/// <param name="options">Options of the forward call.</param>
/// <param name="inputGradient">[Rows, Width], overwritten; may be empty.</param>
/// <param name="gradients">Of the parameters, added to; the biases' may be empty.</param>
public delegate void FeedForwardBackwardSpans(
    ReadOnlySpan<float> input, in FeedForwardParameters<float> parameters,
    ReadOnlySpan<float> preActivation, ReadOnlySpan<float> outputGradient,
    in FeedForwardSizes sizes, in FeedForwardOptions options, Span<float> inputGradient,
    in FeedForwardGradients<float> gradients);
