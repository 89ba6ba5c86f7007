using Transformer.Tensors;

namespace Transformer.Models.Interchange;

/// <summary>One entry of a safetensors header.</summary>
/// <param name="Name">The tensor's name.</param>
/// <param name="TypeName">Element type as the file spells it, for example F32.</param>
/// <param name="DType">The element type; null where this library has none for it.</param>
/// <param name="Shape">Axes, slowest first; empty for a scalar.</param>
/// <param name="Elements">Product of <paramref name="Shape"/>.</param>
/// <param name="Offset">First byte, counted from the start of the file.</param>
/// <param name="ByteLength">Bytes of the tensor.</param>
public sealed record SafeTensorInfo(
    string Name,
    string TypeName,
    DType? DType,
    IReadOnlyList<long> Shape,
    long Elements,
    long Offset,
    long ByteLength);

/// <summary>The format's names of element types.</summary>
internal static class SafeTensorTypes
{
    public const string Supported = "F32, F16, BF16, F64, I32, I64, U8 and BOOL";

    public static DType? Parse(string name) => name switch
    {
        "F32" => DType.Float32,
        "F16" => DType.Float16,
        "BF16" => DType.BFloat16,
        "F64" => DType.Float64,
        "I32" => DType.Int32,
        "I64" => DType.Int64,
        "U8" => DType.UInt8,
        "BOOL" => DType.Bool,
        _ => null,
    };

    public static string Name(DType dtype) => dtype switch
    {
        DType.Float32 => "F32",
        DType.Float16 => "F16",
        DType.BFloat16 => "BF16",
        DType.Float64 => "F64",
        DType.Int32 => "I32",
        DType.Int64 => "I64",
        DType.UInt8 => "U8",
        DType.Bool => "BOOL",
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Unknown element type."),
    };

    /// <summary>Bytes of one element; 0 for a type whose size this library does not know.</summary>
    public static int Size(string name) => Parse(name)?.Size() ?? name switch
    {
        "I8" or "F8_E4M3" or "F8_E5M2" or "F8_E8M0" => 1,
        "I16" or "U16" => 2,
        "U32" => 4,
        "U64" or "C64" => 8,
        _ => 0,
    };
}
