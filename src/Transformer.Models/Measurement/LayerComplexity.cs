using System.Diagnostics;
using System.Globalization;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Measurement;

/// <summary>Times the layers of <see cref="SequenceLayer"/> forward on one sequence of random
/// numbers, over its length and over the width.</summary>
public sealed class LayerComplexity
{
    private const int HeadWidth = 64, FewestCalls = 3, MostCalls = 1000;
    private const long MostElements = 1 << 30;

    // The runtime compiles hot methods again 100 ms after the last new one was called.
    private static readonly TimeSpan WarmUp = TimeSpan.FromMilliseconds(300);

    private readonly LayerComplexityOptions options;
    private readonly Backend backend;

    private LayerComplexity(LayerComplexityOptions options)
    {
        this.options = options;
        backend = options.Backend ?? BackendRegistry.Cpu;
    }

    /// <summary>Measures all layers, one row after the other; the first after a warm-up.</summary>
    /// <param name="options">Null: the default sizes on the CPU.</param>
    /// <param name="cancellation">Stops between two rows.</param>
    /// <exception cref="ArgumentException">A size that no layer has.</exception>
    /// <exception cref="NotSupportedException">The backend lacks one of the layers.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public static IEnumerable<LayerComplexityRow> Run(
        LayerComplexityOptions? options = null, CancellationToken cancellation = default)
    {
        LayerComplexity measure = new(options ?? new());
        measure.Check();
        return measure.Rows(cancellation);
    }

    private void Check()
    {
        Increasing("lengths", options.Lengths);
        Increasing("widths", options.Widths);
        if (options.Widths.FirstOrDefault(w => w > HeadWidth && w % HeadWidth != 0) is var odd and
            not 0)
        {
            Throw($"a width is {Text(odd)}; expected at most {HeadWidth}, or a multiple of it: " +
                $"heads are {HeadWidth} wide. Use such a width.");
        }

        if (options.Neighbourhood < 2 || options.Neighbourhood % 2 != 0)
        {
            Throw($"the neighbourhood is {Text(options.Neighbourhood)}; expected an even number " +
                "of 2 or more. Half of it is seen on each side.");
        }

        (long length, long width) = (options.Lengths[^1], options.Widths[^1]);
        if (Math.Max(length, width) > MostElements / (4 * width))
        {
            Throw($"length {Text(length)} with width {Text(width)} takes tensors of more than " +
                $"{Text(MostElements)} numbers. Use smaller sizes.");
        }
    }

    private static void Increasing(string name, IReadOnlyList<int> sizes)
    {
        bool grows = sizes.Count > 0 && sizes[0] >= 1 && sizes.Zip(sizes.Skip(1))
            .All(pair => pair.First < pair.Second);
        if (!grows)
        {
            Throw($"the {name} are '{string.Join(',', sizes.Select(s => Text(s)))}'; expected " +
                "growing numbers of 1 or more. List each size once, the smallest first.");
        }
    }

    private IEnumerable<LayerComplexityRow> Rows(CancellationToken cancellation)
    {
        foreach (SequenceLayer layer in Enum.GetValues<SequenceLayer>())
        {
            cancellation.ThrowIfCancellationRequested();
            if (options.Budget > TimeSpan.Zero)
                Time(layer, options.Lengths[0], options.Widths[0], WarmUp);
        }

        foreach (int width in options.Widths)
        {
            foreach (int length in options.Lengths)
            {
                foreach (SequenceLayer layer in Enum.GetValues<SequenceLayer>())
                {
                    cancellation.ThrowIfCancellationRequested();
                    yield return new(layer, length, width,
                        Time(layer, length, width, options.Budget),
                        Operations(layer, length, width));
                }
            }
        }
    }

    /// <summary>Two operations for a multiply-add of the products.</summary>
    private double Operations(SequenceLayer layer, double length, double width)
    {
        double near = options.Neighbourhood / 2;
        // Each query sees itself and 'near' keys on each side, but for those beyond the ends.
        double reach = Math.Min(near, length - 1);
        double pairs = (length * ((2 * reach) + 1)) - (reach * (reach + 1));
        return layer switch
        {
            SequenceLayer.SelfAttention => 4 * length * length * width,
            SequenceLayer.Restricted => 4 * pairs * width,
            SequenceLayer.Recurrent => 16 * length * width * width,
            _ => 8 * length * width * width,
        };
    }

    /// <summary>Median milliseconds of a call.</summary>
    private double Time(SequenceLayer layer, int length, int width, TimeSpan budget)
    {
        List<Tensor> tensors = [];
        try
        {
            Action call = Build(layer, length, width, tensors);
            call();
            List<double> times = [];
            long begin = Stopwatch.GetTimestamp();
            do
            {
                long start = Stopwatch.GetTimestamp();
                call();
                times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
            while (times.Count < FewestCalls ||
                (Stopwatch.GetElapsedTime(begin) < budget && times.Count < MostCalls));
            times.Sort();
            return times[times.Count / 2];
        }
        finally
        {
            foreach (Tensor tensor in tensors) tensor.Dispose();
        }
    }

    private Action Build(SequenceLayer layer, int length, int width, List<Tensor> tensors)
    {
        BufferView Random(long count)
        {
            Tensor tensor = new(new(count), DType.Float32, backend.Memory);
            tensors.Add(tensor);
            float[] values = new float[count];
            Random random = new(tensors.Count);
            for (int i = 0; i < values.Length; i++) values[i] = random.NextSingle() - 0.5f;
            tensor.CopyFrom<float>(values);
            return tensor.View;
        }

        long count = (long)length * width, square = (long)width * width;
        return layer switch
        {
            SequenceLayer.Recurrent => Call(new LstmForward
            {
                Input = Random(count), InputWeight = Random(4 * square),
                RecurrentWeight = Random(4 * square), Bias = Random(4 * width),
                Output = Random(count), Batch = 1, Length = length, InputFeatures = width,
                Hidden = width,
            }),
            SequenceLayer.Projections => Call(
                Linear(length, width, 3 * width, Random), Linear(length, width, width, Random)),
            _ => Call(new AttentionForward
            {
                Inputs = new()
                {
                    Query = Random(count), Key = Random(count), Value = Random(count),
                    Sizes = Sizes(length, width),
                    Options = layer == SequenceLayer.SelfAttention ? default : new()
                    {
                        Window = new(options.Neighbourhood / 2, options.Neighbourhood / 2),
                    },
                },
                Output = Random(count),
            }),
        };
    }

    private static LinearForward Linear(
        int length, int inputs, int outputs, Func<long, BufferView> random) => new()
        {
            Input = random((long)length * inputs),
            Weight = random((long)outputs * inputs),
            Bias = random(outputs),
            Output = random((long)length * outputs),
            Rows = length,
            InputFeatures = inputs,
            OutputFeatures = outputs,
        };

    private static AttentionSizes Sizes(int length, int width)
    {
        int head = Math.Min(width, HeadWidth), heads = width / head;
        return new(1, heads, heads, length, length, head, head);
    }

    private Action Call<TCall>(params TCall[] calls) where TCall : struct, IOpCall => () =>
    {
        foreach (TCall call in calls) backend.Run(in call);
        backend.Synchronize();
    };

    private static void Throw(string message) =>
        throw new ArgumentException($"complexity: {message}");

    private static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);
}
