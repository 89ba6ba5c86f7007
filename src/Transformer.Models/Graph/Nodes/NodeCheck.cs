using System.Diagnostics.CodeAnalysis;
using Transformer.Tensors;

namespace Transformer.Models.Graph.Nodes;

/// <summary>Shape and type checks at build time, with one form of message.</summary>
internal static class NodeCheck
{
    public static void Type(string op, string node, GraphTensor tensor, DType expected)
    {
        if (tensor.DType != expected)
        {
            Throw(op, node, $"'{tensor.Name}' is {tensor.DType}; expected {expected}.");
        }
    }

    public static void Rank(string op, string node, GraphTensor tensor, int rank, string layout)
    {
        if (tensor.Shape.Rank != rank)
        {
            Throw(op, node, $"'{tensor.Name}' has shape {tensor.Shape}; expected {layout}.");
        }
    }

    public static void Shape(
        string op, string node, GraphTensor tensor, TensorShape expected, string layout)
    {
        if (tensor.Shape != expected)
        {
            Throw(op, node,
                $"'{tensor.Name}' has shape {tensor.Shape}; expected {expected} ({layout}).");
        }
    }

    public static void Vector(
        string op, string node, string argument, Parameter? parameter, long expected)
    {
        if (parameter is not null && parameter.Shape != new TensorShape(expected))
        {
            Throw(op, node, $"{argument} '{parameter.Name}' has shape {parameter.Shape}; " +
                $"expected [{expected}].");
        }
    }

    public static void Table(
        string op, string node, string argument, Parameter? parameter, long width)
    {
        if (parameter is null) return;
        if (parameter.Shape.Rank != 2 || parameter.Shape[1] != width)
        {
            Throw(op, node, $"{argument} '{parameter.Name}' has shape {parameter.Shape}; " +
                $"expected [rows, {width}].");
        }
    }

    [DoesNotReturn]
    public static void Throw(string op, string node, string message) =>
        throw new ArgumentException($"{op} '{node}': {message}");
}
