using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>Gives a node the addresses of its operands and takes the kernel call it makes.
/// </summary>
internal sealed class Binder(
    Backend backend, Func<GraphTensor, BufferView> locate, ParameterStorage parameters,
    BufferView randomState)
{
    /// <summary>[2] Int64: seed, step.</summary>
    public BufferView RandomState => randomState;

    public PreparedCall? Call { get; private set; }

    /// <summary>A tensor's memory; absent for null and for unused optional outputs.</summary>
    public BufferView View(GraphTensor? tensor) => tensor is null ? default : locate(tensor);

    public BufferView Value(ParameterBlock? block) => block?.Value(parameters) ?? default;

    public BufferView Gradient(ParameterBlock? block) => block?.Gradient(parameters) ?? default;

    public void Emit<TCall>(in TCall call) where TCall : struct, IOpCall =>
        Call = backend.Prepare(in call);
}
