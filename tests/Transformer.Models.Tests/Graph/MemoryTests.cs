using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Layers;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Graph;

public class MemoryTests
{
    private static readonly Backend Simd = BackendRegistry.Cpu;

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public void Plan_KeepsLiveBuffersApart(bool training, bool fuse)
    {
        using TestModel model = new(
            Simd, TestModel.Layer(NormPlacement.Pre, dropout: 0.1), layers: 3);
        using CompiledGraph graph = model.Build().Compile(
            TestModel.On(Simd) with { Training = training, Fuse = fuse });
        MemoryPlan plan = graph.Plan;
        foreach (PlannedBuffer buffer in plan.Buffers)
        {
            Assert.Equal(0, buffer.Offset % 64);
            Assert.InRange(buffer.Offset + buffer.Bytes, 1, plan.PlannedBytes);
        }

        Assert.Empty(Conflicts(plan));
        Assert.True(plan.PlannedBytes < plan.NaiveBytes, plan.ToString());
        if (!training) Assert.True(plan.PlannedBytes * 4 < plan.NaiveBytes, plan.ToString());
    }

    // Lifetimes again, from the listing alone: a value lives from the node that writes it to the
    // last that reads it. This finds a plan made from wrong lifetimes, too.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void NoNode_OverwritesAValueThatIsReadLater(bool training)
    {
        using TestModel model = new(Simd, TestModel.Layer(dropout: 0.1), layers: 2);
        using CompiledGraph graph = model.Build().Compile(
            TestModel.On(Simd) with { Training = training });
        Dictionary<long, (string Name, long Bytes)> holder = [];
        int reads = 0;
        foreach (NodeInfo node in graph.Nodes)
        {
            foreach (ValueInfo input in node.Inputs.Where(v => v.Offset >= 0))
            {
                Assert.True(holder.TryGetValue(input.Offset, out (string Name, long) value) &&
                    value.Name == input.Name, $"{node.Name} reads {input.Name}");
                reads++;
            }

            foreach (ValueInfo output in node.Outputs.Where(v => v.Offset >= 0))
            {
                long bytes = output.Shape.ElementCount * output.DType.Size();
                foreach (long offset in holder.Keys.ToArray())
                {
                    bool apart = offset + holder[offset].Bytes <= output.Offset ||
                        output.Offset + bytes <= offset;
                    if (!apart) holder.Remove(offset);
                }

                holder.Add(output.Offset, (output.Name, bytes));
            }
        }

        Assert.True(reads > 20);
    }

    [Fact]
    public void Conflicts_AreFoundByTheChecker()
    {
        MemoryPlan plan = new(
            [new("a", 0, 128, 0, 3), new("b", 64, 64, 2, 4)], 128, 192);
        Assert.Single(Conflicts(plan));
    }

    [Fact]
    public void Results_DoNotDependOnWhatTheArenaHeld()
    {
        using TestModel model = new(Simd, TestModel.Layer(dropout: 0.1));
        (float loss, float[] gradients) = model.Run(TestModel.On(Simd));
        using GraphArena arena = new(Simd);
        using CompiledGraph graph = model.Build().Compile(
            TestModel.On(Simd) with { Training = true, Arena = arena });
        TestModel.Feed(graph);
        unsafe
        {
            new Span<float>((void*)arena.Address, (int)(arena.Bytes / 4)).Fill(float.NaN);
        }

        model.Parameters.ClearGradients();
        graph.Forward();
        Assert.Equal(loss, graph.Output<float>("loss")[0]);
        graph.Backward();
        Assert.Equal(gradients, model.Parameters.Gradients.AsSpan<float>().ToArray());
    }

    [Fact]
    public void SharedArena_GrowsAndEarlierGraphsGoOn()
    {
        using TestModel model = new(Simd);
        using GraphArena arena = new(Simd);
        CompileOptions options = TestModel.On(Simd) with { Training = true, Arena = arena };
        using CompiledGraph small = model.Build().Compile(options);
        TestModel.Feed(small);
        small.Forward();
        float before = small.Output<float>("loss")[0];
        long bytes = arena.Bytes;
        using CompiledGraph large = model.Build(batch: 16, source: 9, target: 12).Compile(options);
        Assert.True(arena.Bytes > bytes);
        TestModel.Feed(large);
        large.Forward();
        small.Forward();
        Assert.Equal(before, small.Output<float>("loss")[0]);
    }

    [Fact]
    public void SteadyState_AllocatesNothing()
    {
        using TestModel model = new(Simd, TestModel.Layer(dropout: 0.1), layers: 2);
        using CompiledGraph graph = model.Build().Compile(
            TestModel.On(Simd) with { Training = true });
        TestModel.Feed(graph);
        int[] ids = new int[TestModel.Batch * TestModel.Source];
        Assert.Equal(0, ManagedAllocations.Least(Step, warmUp: 2, runs: 5));

        void Step()
        {
            graph.Step++;
            graph.Feed<int>("source", ids);
            model.Parameters.ClearGradients();
            graph.Forward();
            graph.Backward();
        }
    }

    // Each new (batch, length) compiles a graph, so it must cost less than a training step. The
    // bound is five times the aim of 10 ms.
    [Fact]
    public void Compile_TakesMilliseconds()
    {
        using TestModel model = new(Simd, TestModel.Layer(dropout: 0.1), layers: 4);
        using GraphArena arena = new(Simd);
        QuietMoment.Within(TimeSpan.FromMilliseconds(50), run =>
        {
            using CompiledGraph graph = model.Build(target: 4 + run).Compile(
                TestModel.On(Simd) with { Training = true, Arena = arena });
        });
    }

    [Fact]
    public void Dispose_ReturnsAllMemory()
    {
        // Other tests rent at the same time: only this thread's graph is measured, by its arena.
        GraphArena arena = new(Simd);
        using ParameterSet parameters = new(Simd);
        parameters.Allocate(1);
        GraphBuilder g = new("g", parameters);
        g.Output("y", g.Relu(g.Input("x", new(4))));
        CompiledGraph graph = g.Compile(TestModel.On(Simd) with { Arena = arena });
        graph.Dispose();
        arena.Dispose();
        Assert.Throws<ObjectDisposedException>(graph.Forward);
    }

    /// <summary>Pairs that share bytes while both live. A value made in place begins where and
    /// when its predecessor ends.</summary>
    private static List<string> Conflicts(MemoryPlan plan)
    {
        List<string> conflicts = [];
        for (int i = 0; i < plan.Buffers.Count; i++)
        {
            for (int j = i + 1; j < plan.Buffers.Count; j++)
            {
                (PlannedBuffer a, PlannedBuffer b) = (plan.Buffers[i], plan.Buffers[j]);
                bool bytes = a.Offset < b.Offset + b.Bytes && b.Offset < a.Offset + a.Bytes;
                bool time = a.FirstStep <= b.LastStep && b.FirstStep <= a.LastStep;
                bool inPlace = a.Offset == b.Offset && a.Bytes == b.Bytes &&
                    a.LastStep == b.FirstStep && a.FirstStep < b.FirstStep;
                if (bytes && time && !inPlace) conflicts.Add($"{a} {b}");
            }
        }

        return conflicts;
    }
}
