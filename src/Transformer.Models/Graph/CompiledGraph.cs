using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>
/// A graph bound to a backend and to memory: write the inputs, call <see cref="Forward"/>, read
/// the outputs. After the first runs nothing is allocated on the managed heap.
/// </summary>
/// <remarks>
/// Inputs stay as they are until written again. Outputs are valid until the next run of any graph
/// of the same arena. Not safe for use by several threads at once.
/// </remarks>
public sealed partial class CompiledGraph : IDisposable
{
    private readonly GraphProgram program;
    private readonly Backend backend;
    private readonly GraphArena arena;
    private readonly bool ownsArena;
    private readonly bool training;
    private readonly ParameterStorage parameters;
    private readonly Dictionary<string, Tensor> inputs = [];
    private readonly Dictionary<GraphTensor, BufferView> fixedViews = [];
    private readonly Tensor randomState;
    private readonly PreparedCall[] calls;
    private readonly CallSequence forward, backward;
    private int boundVersion = -1;
    private bool forwardDone;

    internal CompiledGraph(
        GraphProgram program, CompileOptions options, ParameterStorage parameters)
    {
        if (parameters.Memory != options.Backend.Memory)
        {
            throw new ArgumentException(
                $"Graph '{program.Name}': the parameters lie in another memory than that of " +
                $"backend '{options.Backend.Name}'. Make the ParameterSet for this backend.");
        }

        this.program = program;
        this.parameters = parameters;
        backend = options.Backend;
        training = options.Training;
        ownsArena = options.Arena is null;
        arena = options.Arena ?? new GraphArena(backend);
        randomState = new Tensor(new(2), DType.Int64, backend.Memory);
        calls = new PreparedCall[program.Nodes.Count];
        forward = new(backend, options.Record);
        backward = new(backend, options.Record);
        foreach ((string name, GraphTensor input) in program.Inputs)
        {
            Tensor tensor = new(input.Shape, input.DType, backend.Memory);
            inputs.Add(name, tensor);
            fixedViews.Add(input, tensor.View);
        }

        foreach (GraphTensor state in program.States.Values)
        {
            fixedViews.Add(state, arena.State(state));
        }

        if (training) FillOnes(inputs[GraphCompiler.LossGradient]);
        arena.Require(program.Plan.PlannedBytes);
        BindIfMoved();
        Nodes = [.. program.Nodes.Select(Describe)];
    }

    /// <summary>Name of the builder's graph.</summary>
    public string Name => program.Name;

    /// <summary>Arena memory by value, and planned against naive bytes.</summary>
    public MemoryPlan Plan => program.Plan;

    /// <summary>The kernel calls in order of execution, after fusion.</summary>
    public IReadOnlyList<NodeInfo> Nodes { get; }

    /// <summary>Names of the inputs.</summary>
    public IReadOnlyCollection<string> InputNames => inputs.Keys;

    /// <summary>Names of the outputs.</summary>
    public IEnumerable<string> OutputNames => program.Outputs.Keys;

    /// <summary>Seed of dropout; set before <see cref="Forward"/>.</summary>
    public ulong Seed { get; set; }

    /// <summary>Step of dropout: another step, other masks; set before <see cref="Forward"/>.
    /// </summary>
    public long Step { get; set; }

    /// <summary>True when the next <see cref="Forward"/> is given to the device as one piece:
    /// after the second, on a backend that records.</summary>
    public bool IsRecorded => forward.IsRecorded;

    /// <summary>Measures each kernel of a run; null: nothing is measured.</summary>
    public ExecutionProfile? Profile { get; set; }

    internal GraphProgram Program => program;

    internal Backend Backend => backend;

    internal ParameterStorage ParameterStorage => parameters;

    /// <summary>Computes the outputs.</summary>
    /// <exception cref="ArgumentException">An id, label, length or position is out of range.
    /// </exception>
    public void Forward()
    {
        BeginForward();
        Run(forward, 0, program.ForwardCount);
        forwardDone = true;
    }

    /// <summary>Adds the gradients of the loss to the parameters' gradients; once after each
    /// <see cref="Forward"/>.</summary>
    /// <exception cref="InvalidOperationException">Compiled for inference, or no forward pass
    /// came before it.</exception>
    public void Backward()
    {
        BeginBackward();
        Run(backward, program.ForwardCount, calls.Length);
    }

    /// <summary>Waits until the device has finished.</summary>
    public void Synchronize() => backend.Synchronize();

    /// <summary>Nodes after fusion with shapes and arena offsets, one line each.</summary>
    public string Describe()
    {
        IEnumerable<string> lines = Nodes.Select(n =>
            $"{(n.Direction == OpDirection.Forward ? "→" : "←")} {n.Kind,-24} {n.Name}: " +
            $"{string.Join(", ", n.Inputs.Select(Text))} ⇒ " +
            $"{string.Join(", ", n.Outputs.Select(Text))}");
        return string.Join('\n', lines);

        static string Text(ValueInfo value) =>
            $"{value.Name} {value.Shape}{(value.Offset < 0 ? "" : $" @{value.Offset}")}";
    }

    /// <summary>Returns the memory that the graph owns.</summary>
    public void Dispose()
    {
        forward.Dispose();
        backward.Dispose();
        foreach (Tensor input in inputs.Values) input.Dispose();
        randomState.Dispose();
        if (ownsArena) arena.Dispose();
    }

    internal void BeginForward()
    {
        BindIfMoved();
        WriteRandomState();
        if (backend.Memory.IsHostAccessible)
        {
            foreach (RangeCheck check in program.RangeChecks) check.Check(Bytes(check.Tensor));
        }

        arena.Holder = this;
        forwardDone = false;
    }

    internal void BeginBackward()
    {
        if (!training)
        {
            throw new InvalidOperationException(
                $"Graph '{Name}': compiled for inference. Compile with Training = true.");
        }

        if (!forwardDone || arena.Holder != this)
        {
            throw new InvalidOperationException(
                $"Graph '{Name}': Backward needs the values of its own Forward, which " +
                "has not run since the last Backward or was overwritten by another graph of the " +
                "arena. Call Forward first.");
        }

        forwardDone = false;
    }

    internal void RunNode(int index) => calls[index].Run();

    /// <summary>Memory of a value; absent where it is optional and unused.</summary>
    internal BufferView Locate(GraphTensor tensor)
    {
        tensor = program.Aliases.GetValueOrDefault(tensor, tensor);
        if (fixedViews.TryGetValue(tensor, out BufferView view)) return view;
        return program.Offsets.TryGetValue(tensor, out long offset)
            ? new(arena.Address + (nint)offset, tensor.Shape.ElementCount, tensor.DType)
            : default;
    }

    private void Run(CallSequence pass, int first, int end)
    {
        if (Profile is { } profile)
        {
            for (int i = first; i < end; i++) profile.Run(calls[i], Nodes[i].Kind);
            return;
        }

        pass.Run();
    }

    private void BindIfMoved()
    {
        ObjectDisposedException.ThrowIf(arena.IsDisposed || randomState.IsDisposed, this);
        if (boundVersion == arena.Version) return;
        Binder binder = new(backend, Locate, parameters, randomState.View);
        for (int i = 0; i < calls.Length; i++)
        {
            program.Nodes[i].Bind(binder);
            calls[i] = binder.Call!;
        }

        forward.Reset(calls.AsSpan(0, program.ForwardCount));
        backward.Reset(calls.AsSpan(program.ForwardCount));
        boundVersion = arena.Version;
    }

    private unsafe void WriteRandomState()
    {
        long* state = stackalloc long[2];
        state[0] = (long)Seed;
        state[1] = Step;
        backend.Memory.CopyFromHost((nint)state, randomState.View.Address, 2 * sizeof(long));
    }

    private static void FillOnes(Tensor tensor)
    {
        float[] ones = new float[tensor.Shape.ElementCount];
        ones.AsSpan().Fill(1);
        tensor.CopyFrom<float>(ones);
    }

    private NodeInfo Describe(GraphNode node) => new(
        node.Name, node.Kind, node.Direction,
        [.. node.Inputs.OfType<GraphTensor>().Select(Describe)],
        [.. node.Outputs.Select(Describe)],
        [.. node.Parameters.OfType<ParameterBlock>().SelectMany(b => b.Parts)
            .Select(p => p.Name)]);

    private ValueInfo Describe(GraphTensor tensor) => new(
        tensor.Name, tensor.Shape, tensor.DType,
        program.Offsets.TryGetValue(tensor, out long offset) ? offset : -1);
}
