using System.Globalization;
using System.Runtime.InteropServices;
using Transformer.Tensors;

namespace Transformer.Models.Interchange;

/// <summary>Builds an ONNX model of operators of ai.onnx and writes it.</summary>
/// <remarks>Field numbers are those of onnx.proto (github.com/onnx/onnx). Protocol Buffers limit a
/// file to 2 GiB; weights that pass it lie in a second one.</remarks>
internal sealed class OnnxGraph(string name)
{
    private const int Opset = 20, IrVersion = 9;

    // Leaves room for the nodes.
    private const long LargestInside = int.MaxValue - (1 << 26);

    private readonly ProtoMessage nodes = new(), inputs = new(), outputs = new();
    private readonly List<Constant> constants = [];
    private readonly HashSet<string> known = new(StringComparer.Ordinal);
    private int numbered;

    /// <summary>Adds an operator of one output.</summary>
    /// <param name="op">Operator of ai.onnx.</param>
    /// <param name="operands">Names of its inputs.</param>
    /// <param name="attributes">A long, a long[], a float or a text each.</param>
    /// <returns>Name of the output.</returns>
    public string Add(
        string op, string[] operands, params ReadOnlySpan<(string Name, object Value)> attributes)
        => Add(op, operands, [NewName(op)], attributes);

    /// <summary>Splits the last axis into equal parts.</summary>
    public string[] Split(string operand, int parts)
    {
        string[] made = [.. Enumerable.Range(0, parts).Select(_ => NewName("Split"))];
        Add("Split", [operand], made, ("axis", -1L), ("num_outputs", (long)parts));
        return made;
    }

    /// <summary>Adds a weight, whose numbers are fetched when the file is written.</summary>
    /// <returns>Its name.</returns>
    public string Weight(string tensor, TensorShape shape, Func<float[]> read) => AddConstant(new(
        tensor, DType.Float32, shape.ToArray(), shape.ElementCount * sizeof(float),
        () => MemoryMarshal.AsBytes<float>(read()), MayLieOutside: true));

    /// <summary>Adds whole numbers, a scalar where <paramref name="scalar"/> says so.</summary>
    /// <returns>Their name.</returns>
    public string Numbers(string tensor, long[] values, bool scalar = false) => AddConstant(
        new(tensor, DType.Int64, scalar ? [] : [values.Length], values.Length * sizeof(long),
            () => MemoryMarshal.AsBytes<long>(values)));

    /// <summary>Adds a real scalar.</summary>
    /// <returns>Its name.</returns>
    public string Scalar(string tensor, float value) => AddConstant(new(
        tensor, DType.Float32, [], sizeof(float),
        () => MemoryMarshal.AsBytes<float>(new float[] { value })));

    /// <summary>Names an input whose axes have any size.</summary>
    public string Input(string tensor, DType type, params ReadOnlySpan<string> axes)
    {
        inputs.Message(11, Value(tensor, type, axes));
        return tensor;
    }

    /// <summary>Gives an output its name.</summary>
    public void Output(
        string operand, string tensor, DType type, params ReadOnlySpan<string> axes)
    {
        Add("Identity", [operand], [tensor]);
        outputs.Message(12, Value(tensor, type, axes));
    }

    /// <summary>Writes the model, each file beside its place, and renames it.</summary>
    /// <param name="path">The model.</param>
    /// <param name="largest">Most bytes of weights in it; where there are more, all weights go to
    /// a second file, PATH.data.</param>
    /// <returns>The files written.</returns>
    /// <exception cref="IOException">One cannot be written.</exception>
    public IReadOnlyList<string> Write(string path, long largest = LargestInside)
    {
        bool outside = constants.Sum(c => c.Length) > largest;
        ProtoMessage graph = new();
        graph.Append(nodes);
        string data = path + ".data";
        long offset = 0;
        foreach (Constant constant in constants)
        {
            bool apart = outside && constant.MayLieOutside;
            graph.Message(5, Tensor(constant, apart ? (Path.GetFileName(data), offset) : null));
            if (apart) offset += constant.Length;
        }

        graph.Append(inputs);
        graph.Append(outputs);
        graph.Text(2, name);
        ProtoMessage model = new ProtoMessage().Number(1, IrVersion).Text(2, "transformer")
            .Message(7, graph)
            .Message(8, new ProtoMessage().Text(1, "").Number(2, Opset));
        if (outside) AtomicFile.Write(data, WriteWeights, offset);
        AtomicFile.Write(path, model.WriteTo, model.Length);
        return outside ? [path, data] : [path];
    }

    private void WriteWeights(Stream stream)
    {
        foreach (Constant constant in constants.Where(c => c.MayLieOutside))
            stream.Write(constant.Data());
    }

    private static int ElementType(DType type) => type switch
    {
        DType.Float32 => 1,
        DType.Int64 => 7,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "No ONNX type here."),
    };

    private string Add(
        string op, string[] operands, string[] made,
        params ReadOnlySpan<(string Name, object Value)> attributes)
    {
        ProtoMessage node = new();
        foreach (string operand in operands) node.Text(1, operand);
        foreach (string output in made) node.Text(2, output);
        node.Text(4, op);
        foreach ((string attribute, object value) in attributes)
            node.Message(5, Attribute(attribute, value));
        nodes.Message(1, node);
        return made[0];
    }

    private static ProtoMessage Attribute(string attribute, object value)
    {
        const int Float = 1, Int = 2, String = 3, Ints = 7, Type = 20;
        ProtoMessage message = new ProtoMessage().Text(1, attribute);
        switch (value)
        {
            case float real: return message.Single(2, real).Number(Type, Float);
            case long whole: return message.Number(3, whole).Number(Type, Int);
            case string text: return message.Text(4, text).Number(Type, String);
            default:
                foreach (long number in (long[])value) message.Number(8, number);
                return message.Number(Type, Ints);
        }
    }

    private static ProtoMessage Value(string tensor, DType type, ReadOnlySpan<string> axes)
    {
        ProtoMessage shape = new();
        foreach (string axis in axes)
        {
            shape.Message(1, long.TryParse(axis, out long size)
                ? new ProtoMessage().Number(1, size) : new ProtoMessage().Text(2, axis));
        }

        return new ProtoMessage().Text(1, tensor).Message(2, new ProtoMessage().Message(
            1, new ProtoMessage().Number(1, ElementType(type)).Message(2, shape)));
    }

    private static ProtoMessage Tensor(Constant constant, (string File, long Offset)? outside)
    {
        ProtoMessage message = new();
        foreach (long size in constant.Dims) message.Number(1, size);
        message.Number(2, ElementType(constant.Type)).Text(8, constant.Name);
        if (outside is not { } place) return message.Data(9, constant.Length, constant.Data);
        const int External = 1;
        (string Key, string Value)[] entries =
        [
            ("location", place.File), ("offset", Text(place.Offset)),
            ("length", Text(constant.Length)),
        ];
        foreach ((string key, string value) in entries)
            message.Message(13, new ProtoMessage().Text(1, key).Text(2, value));
        return message.Number(14, External);
    }

    private string AddConstant(Constant constant)
    {
        if (known.Add(constant.Name)) constants.Add(constant);
        return constant.Name;
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private string NewName(string op) => string.Create(
        CultureInfo.InvariantCulture, $"{op}_{numbered++}");

    /// <param name="Name">Of the tensor.</param>
    /// <param name="Type">Float32 or Int64.</param>
    /// <param name="Dims">Its shape.</param>
    /// <param name="Length">Bytes.</param>
    /// <param name="Data">Fetches them.</param>
    /// <param name="MayLieOutside">Whether a second file may hold them; what shapes depend on must
    /// lie in the model.</param>
    private sealed record Constant(
        string Name, DType Type, long[] Dims, long Length, Func<ReadOnlySpan<byte>> Data,
        bool MayLieOutside = false);
}
