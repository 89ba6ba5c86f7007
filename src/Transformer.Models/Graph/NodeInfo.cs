using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>One value of a compiled graph.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Shape">Its shape.</param>
/// <param name="DType">Its element type.</param>
/// <param name="Offset">Bytes from the start of the arena; −1: input, state or unused.</param>
public readonly record struct ValueInfo(
    string Name, TensorShape Shape, DType DType, long Offset);

/// <summary>One kernel call of a compiled graph, in order of execution.</summary>
/// <param name="Name">The node's name; fused nodes join theirs with <c>|</c>.</param>
/// <param name="Kind">The op and what is fused into it.</param>
/// <param name="Direction">Forward or backward.</param>
/// <param name="Inputs">What it reads.</param>
/// <param name="Outputs">What it writes.</param>
/// <param name="Parameters">Names of the parameters it reads or whose gradients it adds to.
/// </param>
public sealed record NodeInfo(
    string Name, string Kind, OpDirection Direction, IReadOnlyList<ValueInfo> Inputs,
    IReadOnlyList<ValueInfo> Outputs, IReadOnlyList<string> Parameters);
