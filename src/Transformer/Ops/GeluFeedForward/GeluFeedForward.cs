using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Sizes of a feed-forward network.</summary>
/// <param name="Rows">Rows of input and output: tokens.</param>
/// <param name="Width">Width of the input.</param>
/// <param name="Hidden">Width between the two products; 4·Width by convention.</param>
/// <param name="OutputWidth">Width of the output; usually Width.</param>
public readonly record struct FeedForwardSizes(int Rows, int Width, int Hidden, int OutputWidth);

/// <summary>Options of a feed-forward network; <c>default</c> is exact GELU.</summary>
public readonly record struct FeedForwardOptions
{
    /// <summary>Any but None, which means Gelu.</summary>
    public Activation Activation { get; init; }

    internal Activation EffectiveActivation =>
        Activation == Activation.None ? Activation.Gelu : Activation;
}

/// <summary>The parameters of a feed-forward network.</summary>
/// <typeparam name="T">float, Half or BFloat16.</typeparam>
public readonly ref struct FeedForwardParameters<T> where T : unmanaged
{
    /// <summary>[Hidden, Width].</summary>
    public ReadOnlySpan<T> Weight1 { get; init; }

    /// <summary>[Hidden]; may be empty.</summary>
    public ReadOnlySpan<T> Bias1 { get; init; }

    /// <summary>[OutputWidth, Hidden].</summary>
    public ReadOnlySpan<T> Weight2 { get; init; }

    /// <summary>[OutputWidth]; may be empty.</summary>
    public ReadOnlySpan<T> Bias2 { get; init; }
}

/// <summary>Gradients of a feed-forward network's parameters, each added to.</summary>
/// <typeparam name="T">float, Half or BFloat16.</typeparam>
public readonly ref struct FeedForwardGradients<T> where T : unmanaged
{
    /// <summary>[Hidden, Width].</summary>
    public Span<T> Weight1 { get; init; }

    /// <summary>[Hidden]; may be empty.</summary>
    public Span<T> Bias1 { get; init; }

    /// <summary>[OutputWidth, Hidden].</summary>
    public Span<T> Weight2 { get; init; }

    /// <summary>[OutputWidth]; may be empty.</summary>
    public Span<T> Bias2 { get; init; }
}

/// <summary>The position-wise feed-forward network in one call, on spans.</summary>
/// <remarks>Vaswani et al. 2017, §3.3. Where a span may be empty, empty means absent. Safe to call
/// from many threads; allocates nothing.</remarks>
public static unsafe class GeluFeedForward
{
    /// <summary>output = f(input · weight1ᵀ + bias1) · weight2ᵀ + bias2.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Rows, Width].</param>
    /// <param name="parameters">Weights and biases.</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options.</param>
    /// <param name="output">[Rows, OutputWidth].</param>
    /// <param name="preActivation">[Rows, Hidden], for the backward pass; may be empty, and then
    /// no buffer of that size is written.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Forward<T>(
        ReadOnlySpan<T> input, in FeedForwardParameters<T> parameters, in FeedForwardSizes sizes,
        in FeedForwardOptions options, Span<T> output, Span<T> preActivation = default,
        Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, w1 = parameters.Weight1, b1 = parameters.Bias1,
            w2 = parameters.Weight2, b2 = parameters.Bias2, y = output, z = preActivation)
        {
            SpanEntry.Run(backend, new GeluFeedForwardForward
            {
                Input = BufferView.Of(x, input.Length),
                Weight1 = BufferView.Of(w1, parameters.Weight1.Length),
                Bias1 = BufferView.Of(b1, parameters.Bias1.Length),
                Weight2 = BufferView.Of(w2, parameters.Weight2.Length),
                Bias2 = BufferView.Of(b2, parameters.Bias2.Length),
                Output = BufferView.Of(y, output.Length),
                PreActivation = BufferView.Of(z, preActivation.Length),
                Rows = sizes.Rows,
                Width = sizes.Width,
                Hidden = sizes.Hidden,
                OutputWidth = sizes.OutputWidth,
                Activation = options.EffectiveActivation,
            });
        }
    }

    /// <summary>Gradients of the forward call.</summary>
    /// <typeparam name="T">float, Half or BFloat16.</typeparam>
    /// <param name="input">[Rows, Width].</param>
    /// <param name="parameters">Weights; biases are not needed.</param>
    /// <param name="preActivation">[Rows, Hidden] of the forward call.</param>
    /// <param name="outputGradient">[Rows, OutputWidth].</param>
    /// <param name="sizes">Sizes.</param>
    /// <param name="options">Options of the forward call.</param>
    /// <param name="inputGradient">[Rows, Width], overwritten; may be empty.</param>
    /// <param name="gradients">Of the parameters, added to.</param>
    /// <param name="backend">Where to run; null: vectorised on the CPU.</param>
    /// <exception cref="ArgumentException">A span does not fit the sizes.</exception>
    /// <exception cref="NotSupportedException">The backend cannot run this call.</exception>
    public static void Backward<T>(
        ReadOnlySpan<T> input, in FeedForwardParameters<T> parameters,
        ReadOnlySpan<T> preActivation, ReadOnlySpan<T> outputGradient,
        in FeedForwardSizes sizes, in FeedForwardOptions options, Span<T> inputGradient,
        in FeedForwardGradients<T> gradients, Backend? backend = null)
        where T : unmanaged
    {
        fixed (T* x = input, w1 = parameters.Weight1, w2 = parameters.Weight2, z = preActivation,
            dy = outputGradient, dx = inputGradient, dw1 = gradients.Weight1,
            db1 = gradients.Bias1, dw2 = gradients.Weight2, db2 = gradients.Bias2)
        {
            SpanEntry.Run(backend, new GeluFeedForwardBackward
            {
                Input = BufferView.Of(x, input.Length),
                Weight1 = BufferView.Of(w1, parameters.Weight1.Length),
                Weight2 = BufferView.Of(w2, parameters.Weight2.Length),
                PreActivation = BufferView.Of(z, preActivation.Length),
                OutputGradient = BufferView.Of(dy, outputGradient.Length),
                InputGradient = BufferView.Of(dx, inputGradient.Length),
                Weight1Gradient = BufferView.Of(dw1, gradients.Weight1.Length),
                Bias1Gradient = BufferView.Of(db1, gradients.Bias1.Length),
                Weight2Gradient = BufferView.Of(dw2, gradients.Weight2.Length),
                Bias2Gradient = BufferView.Of(db2, gradients.Bias2.Length),
                Rows = sizes.Rows,
                Width = sizes.Width,
                Hidden = sizes.Hidden,
                OutputWidth = sizes.OutputWidth,
                Activation = options.EffectiveActivation,
            });
        }
    }
}
