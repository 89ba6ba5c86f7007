using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>
/// The parameters of one model, shared by all its graphs. They lie in one arena, their gradients
/// in another, so that an optimizer takes one call instead of one for each tensor.
/// </summary>
/// <remarks>
/// Order in memory: decayed, then not decayed, then not trainable, each in order of declaration.
/// Every parameter, and every group, starts at a 64-byte boundary. The padding between is zero
/// with zero gradient and stays zero under any optimizer.
/// </remarks>
public sealed class ParameterSet : IDisposable
{
    private const int AlignmentElements = HostMemory.Alignment / sizeof(float);

    private readonly List<Parameter> all = [];
    private readonly Dictionary<string, Parameter> byName = [];
    private ParameterStorage? storage;
    private MemoryBlock? moments;
    private int groups;

    /// <summary>Makes an empty set.</summary>
    /// <param name="backend">Where values and gradients will live.</param>
    public ParameterSet(Backend backend) => Backend = backend;

    /// <summary>The backend in whose memory the parameters live.</summary>
    public Backend Backend { get; }

    /// <summary>The parameters in order of declaration.</summary>
    public IReadOnlyList<Parameter> All => all;

    /// <summary>Numbers in all parameters, without padding.</summary>
    public long Count { get; private set; }

    /// <summary>Elements of <see cref="Values"/> that decay: the first ones.</summary>
    public long DecayedLength { get; private set; }

    /// <summary>All trainable values, with padding.</summary>
    public BufferView Values => Storage.Values;

    /// <summary>Their gradients, with padding.</summary>
    public BufferView Gradients => Storage.Gradients;

    /// <summary>Adam's first moments, as long as <see cref="Values"/>; zero at first.</summary>
    public BufferView FirstMoments => Moment(0);

    /// <summary>Adam's second moments, as long as <see cref="Values"/>; zero at first.</summary>
    public BufferView SecondMoments => Moment(1);

    /// <summary>Finds a parameter.</summary>
    /// <exception cref="KeyNotFoundException">There is none of that name.</exception>
    public Parameter this[string name] => byName.TryGetValue(name, out Parameter? parameter)
        ? parameter
        : throw new KeyNotFoundException($"ParameterSet: no parameter is named '{name}'.");

    internal ParameterStorage Storage => storage ?? throw new InvalidOperationException(
        "ParameterSet: the parameters have no memory yet. Call Allocate first.");

    /// <summary>Declares a parameter, or returns the one declared before under this name.</summary>
    /// <param name="name">Dotted name, unique in the set.</param>
    /// <param name="shape">Axis sizes.</param>
    /// <param name="initializer">First values.</param>
    /// <param name="decay">Whether weight decay applies.</param>
    /// <param name="trainable">Whether it has a gradient.</param>
    /// <exception cref="ArgumentException">The name is declared with another shape.</exception>
    /// <exception cref="InvalidOperationException">The set is allocated already.</exception>
    public Parameter Declare(
        string name, TensorShape shape, Initializer initializer, bool decay = true,
        bool trainable = true) =>
        Declare(new ParameterDeclaration(name, shape, initializer, decay, trainable), groups++);

    /// <summary>
    /// Declares parameters that lie side by side without padding, so that one kernel call can
    /// take them as one (query, key and value projections as one matrix).
    /// </summary>
    /// <param name="declarations">In memory order; all with the same decay and trainability.
    /// </param>
    /// <exception cref="ArgumentException">They differ in decay or trainability, or a name is
    /// declared with another shape.</exception>
    /// <exception cref="InvalidOperationException">The set is allocated already.</exception>
    public Parameter[] DeclareGroup(params ReadOnlySpan<ParameterDeclaration> declarations)
    {
        int group = groups++;
        Parameter[] parameters = new Parameter[declarations.Length];
        for (int i = 0; i < parameters.Length; i++)
        {
            if (declarations[i].Decay != declarations[0].Decay ||
                declarations[i].Trainable != declarations[0].Trainable)
            {
                throw new ArgumentException(
                    $"ParameterSet: '{declarations[i].Name}' and '{declarations[0].Name}' are in " +
                    "one group but differ in decay or trainability. Declare them separately.");
            }

            parameters[i] = Declare(declarations[i], group);
        }

        return parameters;
    }

    /// <summary>Gives all parameters memory and their first values; gradients are zero.</summary>
    /// <param name="seed">Same seed, same values.</param>
    /// <exception cref="InvalidOperationException">The set is allocated already.</exception>
    public void Allocate(ulong seed)
    {
        AllocateMemory();
        Parallel.ForEach(all, parameter => Initialize(parameter, seed));
    }

    /// <summary>Gives all parameters memory; those that are trained are zero, since weights of a
    /// file will follow.</summary>
    /// <exception cref="InvalidOperationException">The set is allocated already.</exception>
    internal void AllocateToLoad()
    {
        AllocateMemory();
        foreach (Parameter parameter in all.Where(p => !p.Trainable)) Initialize(parameter, 0);
    }

    /// <summary>Sets every gradient to zero.</summary>
    public void ClearGradients() => Storage.ClearGradients();

    /// <summary>Returns the memory.</summary>
    public void Dispose()
    {
        storage?.Dispose();
        moments?.Dispose();
    }

    private void AllocateMemory()
    {
        RequireOpen();
        long end = 0;
        DecayedLength = end = LayOut(p => p.Decay, end);
        long trainable = end = LayOut(p => p.Trainable && !p.Decay, end);
        end = LayOut(p => !p.Trainable, end);
        storage = new ParameterStorage(Backend.Memory, end, trainable);
    }

    private static void Initialize(Parameter parameter, ulong seed)
    {
        float[] values = new float[parameter.Shape.ElementCount];
        parameter.Initializer.Fill(
            parameter.Name, parameter.Shape, seed, (uint)parameter.Index, values);
        parameter.CopyFrom(values);
    }

    private long LayOut(Func<Parameter, bool> selected, long end)
    {
        int group = -1;
        foreach (Parameter parameter in all.Where(selected))
        {
            if (parameter.Group != group) end = Align(end);
            group = parameter.Group;
            parameter.Offset = end;
            end += parameter.Shape.ElementCount;
        }

        return Align(end);
    }

    private static long Align(long elements) =>
        (elements + AlignmentElements - 1) / AlignmentElements * AlignmentElements;

    private BufferView Moment(int index)
    {
        long length = Storage.TrainableLength;
        long bytes = length * sizeof(float);
        if (moments is null)
        {
            moments = Backend.Memory.Allocate(Math.Max(1, 2 * bytes));
            Backend.Memory.Clear(moments.Address, moments.Size);
        }

        return new(moments.Address + (nint)(index * bytes), length, DType.Float32);
    }

    private Parameter Declare(ParameterDeclaration declaration, int group)
    {
        if (byName.TryGetValue(declaration.Name, out Parameter? known))
        {
            return known.Shape == declaration.Shape ? known : throw new ArgumentException(
                $"Parameter '{declaration.Name}': declared with shape {known.Shape} and again " +
                $"with {declaration.Shape}. Use another name or the same shape.");
        }

        RequireOpen();
        Parameter parameter = new(this, declaration, all.Count, group);
        all.Add(parameter);
        byName.Add(declaration.Name, parameter);
        Count += declaration.Shape.ElementCount;
        return parameter;
    }

    private void RequireOpen()
    {
        if (storage is not null)
        {
            throw new InvalidOperationException(
                "ParameterSet: already allocated. Declare every parameter before Allocate.");
        }
    }
}
