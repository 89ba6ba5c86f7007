using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Transformer.Tensors;

namespace Transformer.Ops;

/// <summary>Argument checks with one form of message, kept out of hot paths.</summary>
internal static class OpCheck
{
    /// <summary>Requires a buffer with exactly the given number of elements.</summary>
    public static void Exactly(
        string op, string argument, BufferView view, long expected, in ShapeText shape)
    {
        if (view.Length != expected || (view.IsAbsent && expected != 0))
        {
            Throw(op, $"'{argument}' has {Describe(view)}; expected {Number(expected)} " +
                $"for shape {shape.ToString()}. Pass a buffer of that size.");
        }
    }

    /// <summary>As <see cref="Exactly"/>, but the buffer may be absent.</summary>
    public static void ExactlyOrAbsent(
        string op, string argument, BufferView view, long expected, in ShapeText shape)
    {
        if (view.IsPresent) Exactly(op, argument, view, expected, shape);
    }

    /// <summary>Requires exactly the given number of floating-point elements.</summary>
    public static void Floats(
        string op, string argument, BufferView view, long expected, in ShapeText shape)
    {
        Exactly(op, argument, view, expected, shape);
        IsFloat(op, argument, view);
    }

    /// <summary>Requires a vector of floating-point numbers; allocates only to fail, for calls
    /// that are made anew at each training step.</summary>
    public static void FloatVector(string op, string argument, BufferView view, long length)
    {
        if (view.Length != length || (view.IsAbsent && length != 0))
            Exactly(op, argument, view, length, $"[{length}]");
        IsFloat(op, argument, view);
    }

    /// <summary>As <see cref="Floats"/>, but the buffer may be absent.</summary>
    public static void FloatsOrAbsent(
        string op, string argument, BufferView view, long expected, in ShapeText shape)
    {
        if (view.IsPresent) Floats(op, argument, view, expected, shape);
    }

    /// <summary>Requires a buffer with at least the given number of elements.</summary>
    public static void AtLeast(
        string op, string argument, BufferView view, long expected, in ShapeText reason)
    {
        if (view.Length < expected || (view.IsAbsent && expected != 0))
        {
            Throw(op, $"'{argument}' has {Describe(view)}; expected at least " +
                $"{Number(expected)} for {reason.ToString()}. Pass a larger buffer or smaller " +
                "strides.");
        }
    }

    /// <summary>Requires an integer buffer of 32-bit elements where present.</summary>
    public static void IsInt32(string op, string argument, BufferView view)
    {
        if (view.IsPresent && view.DType != DType.Int32)
        {
            Throw(op, $"'{argument}' is {view.DType}; expected Int32. Convert it first.");
        }
    }

    /// <summary>Requires a floating-point buffer where present.</summary>
    public static void IsFloat(string op, string argument, BufferView view)
    {
        if (view.IsPresent && !view.DType.IsFloatingPoint())
        {
            Throw(op, $"'{argument}' is {view.DType}; expected a floating-point type. " +
                "Convert it first.");
        }
    }

    /// <summary>Elements of a tensor of these sizes; the largest long if there are more.
    /// </summary>
    public static long Count(long a, long b, long c = 1, long d = 1) =>
        Product(Product(Product(a, b), c), d);

    /// <summary>Requires one of an enumeration's named values.</summary>
    /// <remarks>Enum.IsDefined would allocate after each collection: the runtime keeps what it
    /// knows of an enumeration behind a weak handle.</remarks>
    public static void Defined<TEnum>(string op, string argument, TEnum value)
        where TEnum : struct, Enum
    {
        foreach (TEnum named in NamedValues<TEnum>.All)
            if (EqualityComparer<TEnum>.Default.Equals(named, value)) return;
        Throw(op, $"'{argument}' is {value:D}, which has no name. Use " +
            $"{string.Join(", ", Enum.GetNames<TEnum>())}.");
    }

    /// <summary>Requires a size of 0 or more.</summary>
    public static void NotNegative(string op, string argument, long value)
    {
        if (value >= 0) return;
        Throw(op, $"'{argument}' is {Number(value)}; expected 0 or more. Pass the tensors' size.");
    }

    /// <summary>Requires a size of 1 or more.</summary>
    public static void Positive(
        string op, string argument, long value, string remedy = "Pass the tensors' size.")
    {
        if (value >= 1) return;
        Throw(op, $"'{argument}' is {Number(value)}; expected 1 or more. {remedy}");
    }

    /// <summary>Requires a finite number within [low, high].</summary>
    public static void InRange(string op, string argument, double value, double low, double high)
    {
        if (!(value >= low && value <= high))
        {
            Throw(op, string.Create(CultureInfo.InvariantCulture,
                $"'{argument}' is {value}; expected a number from {low} to {high}. Check how " +
                $"it was computed, or leave it out for the default."));
        }
    }

    /// <summary>Requires that an output shares no byte with an input, except all of it where
    /// in-place work is allowed.</summary>
    public static void NoOverlap(
        string op, string output, BufferView outputView, string input, BufferView inputView,
        bool inPlaceAllowed = false)
    {
        if (!outputView.Overlaps(inputView)) return;
        bool same = outputView.Address == inputView.Address &&
            outputView.DType == inputView.DType;
        if (inPlaceAllowed && same) return;
        Throw(op, $"'{output}' overlaps '{input}'. Pass separate buffers" +
            (inPlaceAllowed ? " or the very same one." : "."));
    }

    /// <summary>Requires that each written buffer shares no byte with another written one or with
    /// one that is read.</summary>
    public static void Apart(
        string op, ReadOnlySpan<(string Name, BufferView View)> written,
        ReadOnlySpan<(string Name, BufferView View)> read)
    {
        for (int i = 0; i < written.Length; i++)
        {
            if (written[i].View.IsAbsent) continue;
            foreach ((string name, BufferView view) in written[(i + 1)..])
                NoOverlap(op, written[i].Name, written[i].View, name, view);
            foreach ((string name, BufferView view) in read)
                NoOverlap(op, written[i].Name, written[i].View, name, view);
        }
    }

    /// <summary>Throws the argument error of an op.</summary>
    [DoesNotReturn]
    public static void Throw(string op, string message) =>
        throw new ArgumentException($"{op}: {message}");

    private static long Product(long a, long b) =>
        b != 0 && a > long.MaxValue / b ? long.MaxValue : a * b;

    private static string Describe(BufferView view) =>
        view.IsAbsent ? "no buffer" : $"{Number(view.Length)} elements";

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);

    private static class NamedValues<TEnum> where TEnum : struct, Enum
    {
        public static readonly TEnum[] All = Enum.GetValues<TEnum>();
    }
}
