using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Graph;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.Tests.Driver;

/// <summary>A model's pass is recorded at its second run and replayed from then on, with the same
/// results as one call after the other.</summary>
public sealed class RecordedGraphTests
{
    private const int Rows = 5, Width = 24;

    private readonly CudaBackend backend = EmulatedDevice.Require();

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void Norms_Recorded_GiveTheSameBits(bool record)
    {
        using ParameterSet parameters = new(backend);
        Parameter[] weights = [.. Enumerable.Range(0, 3).Select(
            i => parameters.Declare($"weight{i}", new(Width), Initializer.Normal(1)))];
        parameters.Allocate(seed: 5);
        GraphBuilder g = new("norms", parameters);
        GraphTensor x = g.Input("x", new(Rows, Width));
        foreach (Parameter weight in weights) x = g.LayerNorm(x, weight, null);
        g.Output("y", x);
        using CompiledGraph graph = g.Compile(new() { Backend = backend, Record = record });

        for (int run = 0; run < 4; run++)
        {
            float[] input = [.. Enumerable.Range(0, Rows * Width)
                .Select(i => MathF.Sin((i * i) + run))];
            float[] values = [.. weights.SelectMany(Values)];
            graph.Feed<float>("x", input);
            graph.Forward();
            float[] actual = new float[Rows * Width];
            graph.Fetch<float>("y", actual);
            Assert.Equal(record && run > 0, graph.IsRecorded);
            Assert.Equal(OnCpu(input, values), actual, Close);
        }
    }

    [SkippableFact]
    public void Norms_RecordedAndNot_GiveTheSameBits()
    {
        using Tensor x = new(new(Rows, Width), DType.Float32, backend.Memory);
        using Tensor y = new(new(Rows, Width), DType.Float32, backend.Memory);
        using Tensor z = new(new(Rows, Width), DType.Float32, backend.Memory);
        PreparedCall[] calls = [Norm(x, y), Norm(y, z)];
        x.CopyFrom<float>([.. Enumerable.Range(0, Rows * Width).Select(i => i % 7 - 2.5f)]);
        foreach (PreparedCall call in calls) call.Run();
        float[] expected = new float[Rows * Width], actual = new float[Rows * Width];
        z.CopyTo<float>(expected);
        z.CopyFrom<float>(actual);

        using IRecordedCalls recorded = backend.Record(calls)!;
        z.CopyTo<float>(actual);
        Assert.All(actual, value => Assert.Equal(0, value)); // recording runs nothing
        for (int run = 0; run < 2; run++) recorded.Run();
        z.CopyTo<float>(actual);
        Assert.Equal(expected, actual);
    }

    [SkippableFact]
    public void CopyToTheHost_CannotBeRecorded()
    {
        using Tensor x = new(new(4), DType.Float32, backend.Memory);
        InvalidOperationException refused = Assert.Throws<InvalidOperationException>(
            () => backend.Record([new PreparedCall<LayerNormForward>(new Fetching(x), default)]));
        Assert.Contains("cannot be recorded", refused.Message, StringComparison.Ordinal);
        // The queue works as before.
        x.CopyFrom<float>([1, 2, 3, 4]);
        float[] host = new float[4];
        x.CopyTo<float>(host);
        Assert.Equal([1, 2, 3, 4], host);
    }

    [SkippableFact]
    public void Translator_Recorded_GivesTheSameBits()
    {
        Seq2SeqConfig config = Seq2SeqConfig.Tiny(40, 40) with { Dropout = 0.1 };
        float[][] losses = new float[2][];
        foreach (bool record in new[] { false, true })
        {
            using Seq2SeqTransformer model = new(config, backend, seed: 3);
            using CompiledGraph graph =
                model.BuildLoss(2, 6, 5, labelSmoothing: 0.1, withLogits: false)
                    .Compile(new() { Backend = backend, Training = true, Record = record });
            losses[record ? 1 : 0] = Train(model, graph);
            Assert.Equal(record, graph.IsRecorded);
        }

        Assert.Equal(losses[0], losses[1]);
    }

    // Three steps: gradients add up, so that the last tell of all.
    private static float[] Train(Seq2SeqTransformer model, CompiledGraph graph)
    {
        List<float> seen = [];
        for (int step = 0; step < 3; step++)
        {
            graph.Feed<int>("source", [5, 6, 7, 8, 9, 3, 9, 10, 3, 0, 0, 0]);
            graph.Feed<int>("sourceLengths", [6, 3]);
            graph.Feed<int>("target", [2, 11, 12, 13, 4 + step, 2, 14, 0, 0, 0]);
            graph.Feed<int>("labels", [11, 12, 13, 4 + step, 3, 14, 3, -1, -1, -1]);
            graph.Feed<float>("lossGradient", [1]);
            graph.Step = step;
            graph.Forward();
            float[] loss = new float[1];
            graph.Fetch<float>("loss", loss);
            graph.Backward();
            seen.AddRange(loss);
        }

        Assert.True(seen.Distinct().Count() == 3, "dropout and labels change from step to step");
        foreach (Parameter parameter in model.Parameters.All.Where(p => p.Trainable))
        {
            float[] gradient = new float[parameter.Shape.ElementCount];
            BufferView view = parameter.Gradient;
            Copy(model.Backend, view, gradient);
            seen.AddRange(gradient);
        }

        return [.. seen];
    }

    private static unsafe void Copy(Backend backend, BufferView view, float[] to)
    {
        fixed (float* pointer = to)
        {
            backend.Memory.CopyToHost(view.Address, (nint)pointer, view.Length * sizeof(float));
        }
    }

    private PreparedCall Norm(Tensor from, Tensor to) => backend.Prepare(
        new LayerNormForward
        {
            Input = from.View, Output = to.View, Rows = Rows, Width = Width,
        });

    private static float[] Values(Parameter parameter)
    {
        float[] values = new float[parameter.Shape.ElementCount];
        parameter.CopyTo(values);
        return values;
    }

    private static float[] OnCpu(float[] x, float[] weights)
    {
        float[] y = x;
        for (int i = 0; i < 3; i++)
        {
            float[] output = new float[y.Length];
            Ops.LayerNorm.Forward(y, weights.AsSpan(i * Width, Width), [], new(Rows, Width),
                default, output);
            y = output;
        }

        return y;
    }

    // Three norms of width 24, each a few ulp from the other backend's.
    private static bool Close(float a, float b) => Math.Abs(a - b) <= 1e-5f * (1 + Math.Abs(a));

    // What no kernel may do.
    private sealed class Fetching(Tensor tensor) : IKernel<LayerNormForward>
    {
        public void Run(in LayerNormForward call) => tensor.CopyTo<float>(new float[4]);
    }
}
