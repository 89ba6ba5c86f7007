using System.Globalization;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>Where two backends first disagree.</summary>
/// <param name="Node">The node's name.</param>
/// <param name="Kind">Its op and what is fused into it.</param>
/// <param name="Direction">Forward or backward.</param>
/// <param name="Value">Name of the output, or of the parameter whose gradient differs.</param>
/// <param name="Index">Row-major index of the worst element.</param>
/// <param name="First">What the first backend computed there.</param>
/// <param name="Second">What the second backend computed there.</param>
/// <param name="RelativeError">Their distance over the scale: the value's largest magnitude, or
/// that of the gradient that the node received where it is larger.</param>
public sealed record GraphDifference(
    string Node, string Kind, OpDirection Direction, string Value, long Index, float First,
    float Second, double RelativeError)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Direction} of {Kind} '{Node}': '{Value}' differs at index {Index}: {First:G9} against " +
        $"{Second:G9} (relative to its scale: {RelativeError:E2})");
}

/// <summary>Finds the node of a graph that goes wrong.</summary>
public static class GraphDebugger
{
    /// <summary>
    /// Runs a graph node by node on two backends and names the first node whose outputs differ.
    /// </summary>
    /// <param name="graph">The graph.</param>
    /// <param name="options">Compiled with these, on their backend and on the second.</param>
    /// <param name="second">The backend to compare with.</param>
    /// <param name="feed">Writes the inputs of a compiled graph; called once for each.</param>
    /// <param name="tolerance">Largest distance allowed, relative to the largest magnitude of the
    /// value it occurs in or, where larger, of the gradient that the node received: a gradient
    /// that cancels to zero (a key bias) holds only rounding.</param>
    /// <returns>The first difference, or null.</returns>
    /// <remarks>Before each node, the second backend receives what the first one computed, so
    /// that errors do not add up and the node named is the one to look at. Parameters, gradients
    /// and states of the model are not touched.</remarks>
    public static GraphDifference? Compare(
        GraphBuilder graph, CompileOptions options, Backend second, Action<CompiledGraph> feed,
        double tolerance)
    {
        using ParameterStorage storageA = graph.Parameters.Storage.CopyTo(options.Backend.Memory);
        using ParameterStorage storageB = graph.Parameters.Storage.CopyTo(second.Memory);
        CompileOptions optionsA = options with { Arena = null };
        CompileOptions optionsB = optionsA with { Backend = second };
        using CompiledGraph a = new(GraphCompiler.Compile(graph, optionsA), optionsA, storageA);
        using CompiledGraph b = new(GraphCompiler.Compile(graph, optionsB), optionsB, storageB);
        feed(a);
        feed(b);
        a.BeginForward();
        b.BeginForward();
        HashSet<GraphTensor> gradients = GradientsOf(a.Program);
        for (int i = 0; i < a.Program.Nodes.Count; i++)
        {
            double scale = Received(a, i, gradients);
            a.RunNode(i);
            b.RunNode(i);
            List<NodeValue> valuesA = NodeValue.Of(a, i);
            List<NodeValue> valuesB = NodeValue.Of(b, i);
            for (int v = 0; v < valuesA.Count; v++)
            {
                float[] x = valuesA[v].Read(a);
                float[] y = valuesB[v].Read(b);
                if (Worst(x, y, scale, tolerance) is { } worst)
                {
                    GraphNode node = a.Program.Nodes[i];
                    return new(node.Name, node.Kind, node.Direction, valuesA[v].Name, worst.Index,
                        x[worst.Index], y[worst.Index], worst.Error);
                }

                valuesB[v].Write(b, x);
            }
        }

        return null;
    }

    /// <summary>
    /// Runs the graph again, node by node, and names the first place that holds NaN or ±∞: an
    /// input, a parameter, or the output of a node.
    /// </summary>
    /// <param name="graph">A graph with its inputs written.</param>
    /// <returns>What holds it, for a message; null where all is finite. Scores that hold −∞ by
    /// design (a hidden key) do not count.</returns>
    /// <remarks>Parameter gradients are as before afterwards. A training graph needs a new
    /// <see cref="CompiledGraph.Forward"/> before its next backward pass.</remarks>
    public static string? FirstNonFinite(CompiledGraph graph)
    {
        ParameterStorage storage = graph.ParameterStorage;
        foreach (GraphTensor input in graph.Program.Inputs.Values)
        {
            if (Bad(graph, graph.Locate(input), infinityAllowed: true) is { } index)
            {
                return $"input '{input.Name}' at index {index}";
            }
        }

        foreach (Parameter parameter in graph.Program.Nodes
            .SelectMany(n => n.Parameters).OfType<ParameterBlock>().SelectMany(b => b.Parts))
        {
            if (Bad(graph, storage.Value(parameter)) is { } index)
            {
                return $"parameter '{parameter.Name}' at index {index}";
            }
        }

        float[] saved = Read(graph, storage.Gradients);
        try
        {
            storage.ClearGradients();
            return FirstNonFiniteNode(graph);
        }
        finally
        {
            Write(graph, storage.Gradients, saved);
        }
    }

    private static string? FirstNonFiniteNode(CompiledGraph graph)
    {
        graph.BeginForward();
        for (int i = 0; i < graph.Program.Nodes.Count; i++)
        {
            graph.RunNode(i);
            GraphNode node = graph.Program.Nodes[i];
            foreach (NodeValue value in NodeValue.Of(graph, i))
            {
                if (Bad(graph, value.View(graph), value.InfinityAllowed) is { } index)
                {
                    string pass = node.Direction == OpDirection.Forward ? "forward" : "backward";
                    return $"{pass} node '{node.Name}' ({node.Kind}): '{value.Name}' at index " +
                        index.ToString(CultureInfo.InvariantCulture);
                }
            }
        }

        return null;
    }

    private static long? Bad(CompiledGraph graph, BufferView view, bool infinityAllowed = false)
    {
        if (view.IsAbsent || view.DType != DType.Float32) return null;
        float[] values = Read(graph, view);
        int index = Array.FindIndex(
            values, v => infinityAllowed ? float.IsNaN(v) : !float.IsFinite(v));
        return index < 0 ? null : index;
    }

    private static HashSet<GraphTensor> GradientsOf(GraphProgram program)
    {
        HashSet<GraphTensor> gradients =
            [.. program.Nodes.Skip(program.ForwardCount).SelectMany(n => n.Outputs)];
        if (program.Inputs.TryGetValue(GraphCompiler.LossGradient, out GraphTensor? arriving))
        {
            gradients.Add(arriving);
        }

        return gradients;
    }

    /// <summary>Largest magnitude of the gradients that a node reads; before it runs, since it
    /// may write over them.</summary>
    private static double Received(
        CompiledGraph graph, int index, HashSet<GraphTensor> gradients) =>
        graph.Program.Nodes[index].Inputs.OfType<GraphTensor>().Where(gradients.Contains)
            .Select(t => Largest(Read(graph, graph.Locate(t)))).DefaultIfEmpty().Max();

    private static double Largest(float[] values)
    {
        double largest = 0;
        foreach (float value in values)
        {
            if (float.IsFinite(value)) largest = Math.Max(largest, Math.Abs(value));
        }

        return largest;
    }

    private static (int Index, double Error)? Worst(
        float[] x, float[] y, double scale, double tolerance)
    {
        double largest = Math.Max(scale, Largest(x));
        int index = -1;
        double worst = tolerance;
        for (int i = 0; i < x.Length; i++)
        {
            if (x[i].Equals(y[i])) continue;
            double error = Math.Abs((double)x[i] - y[i]) / Math.Max(largest, float.Epsilon);
            if (double.IsNaN(error)) error = double.PositiveInfinity;
            if (error <= worst) continue;
            worst = error;
            index = i;
        }

        return index < 0 ? null : (index, worst);
    }

    private static unsafe float[] Read(CompiledGraph graph, BufferView view)
    {
        float[] values = new float[view.Length];
        fixed (float* pointer = values)
        {
            graph.Backend.Memory.CopyToHost(
                view.Address, (nint)pointer, view.Length * sizeof(float));
        }

        return values;
    }

    private static unsafe void Write(CompiledGraph graph, BufferView view, float[] values)
    {
        fixed (float* pointer = values)
        {
            graph.Backend.Memory.CopyFromHost(
                (nint)pointer, view.Address, view.Length * sizeof(float));
        }
    }

    /// <summary>Something that a node writes: an output, or a parameter's gradient.</summary>
    private sealed record NodeValue(string Name, GraphTensor? Tensor, Parameter? Parameter)
    {
        /// <summary>Log-sum-exp of a row without keys and masked scores are −∞ by design.
        /// </summary>
        public bool InfinityAllowed { get; private init; }

        /// <summary>The Float32 values that a node writes and that have memory.</summary>
        public static List<NodeValue> Of(CompiledGraph graph, int index)
        {
            GraphNode node = graph.Program.Nodes[index];
            List<NodeValue> values = [];
            for (int i = 0; i < node.Outputs.Length; i++)
            {
                GraphTensor output = node.Outputs[i];
                if (output.DType != DType.Float32 || graph.Locate(output).IsAbsent) continue;
                bool infinity = node is Nodes.AttentionNode && i > 0;
                values.Add(new(output.Name, output, null) { InfinityAllowed = infinity });
            }

            if (node.Direction == OpDirection.Backward)
            {
                values.AddRange(node.Parameters.OfType<ParameterBlock>().SelectMany(b => b.Parts)
                    .Where(p => p.Trainable).Select(p => new NodeValue(p.Name, null, p)));
            }

            return values;
        }

        public BufferView View(CompiledGraph graph) => Tensor is not null
            ? graph.Locate(Tensor)
            : graph.ParameterStorage.Gradient(Parameter!);

        public float[] Read(CompiledGraph graph) => GraphDebugger.Read(graph, View(graph));

        public void Write(CompiledGraph graph, float[] values) =>
            GraphDebugger.Write(graph, View(graph), values);
    }
}
