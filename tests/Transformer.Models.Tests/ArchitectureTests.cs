using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Tests;

/// <summary>
/// Dependencies point one way: Models and Training → Layers → Graph → Ops → Tensors. Kernels are
/// known to their backend alone, and the built-in backends to the registry alone.
/// </summary>
public sealed class ArchitectureTests
{
    // Nested namespaces count as the one they stand in.
    private static readonly Dictionary<string, string[]> Allowed = new()
    {
        ["Transformer.Tensors"] = ["Transformer.Backends"],
        ["Transformer.Numerics"] = ["Transformer.Tensors", "Transformer.Backends"],
        ["Transformer.Backends"] = ["Transformer.Tensors"],
        ["Transformer.Ops"] =
            ["Transformer.Tensors", "Transformer.Numerics", "Transformer.Backends"],
        ["Transformer.Layers"] =
            ["Transformer.Tensors", "Transformer.Backends", "Transformer.Ops"],
        ["Transformer.Verification"] =
        [
            "Transformer.Tensors", "Transformer.Numerics", "Transformer.Backends",
            "Transformer.Ops",
        ],
        ["Transformer.Models.Graph"] =
        [
            "Transformer.Tensors", "Transformer.Numerics", "Transformer.Backends",
            "Transformer.Ops",
        ],
        ["Transformer.Models.Layers"] =
        [
            "Transformer.Tensors", "Transformer.Ops", "Transformer.Layers",
            "Transformer.Models.Graph",
        ],
        ["Transformer.Models.Interchange"] = ["Transformer.Tensors"],
        ["Transformer.Models.Text"] = ["Transformer.Models.Interchange"],
        ["Transformer.Models.Training"] =
        [
            "Transformer.Tensors", "Transformer.Numerics", "Transformer.Backends",
            "Transformer.Ops", "Transformer.Models.Graph", "Transformer.Models.Interchange",
            "Transformer.Models.Text",
        ],
        ["Transformer.Models.Measurement"] =
        [
            "Transformer.Tensors", "Transformer.Numerics", "Transformer.Backends",
            "Transformer.Ops", "Transformer.Verification",
            "Transformer.Models.Graph", "Transformer.Models.Text", "Transformer.Models.Training",
            "Transformer.Models",
        ],
        ["Transformer.Models"] =
        [
            "Transformer.Tensors", "Transformer.Numerics", "Transformer.Backends",
            "Transformer.Ops",
            "Transformer.Models.Graph", "Transformer.Models.Layers",
            "Transformer.Models.Interchange", "Transformer.Models.Text",
            "Transformer.Models.Training",
        ],
    };

    private static readonly string[] BuiltIn = ["ReferenceBackend", "SimdBackend"];

    private static readonly (Type From, Type To)[] References =
    [
        .. new[] { typeof(Backend).Assembly, typeof(GraphBuilder).Assembly }
            .SelectMany(TypeReferences.Of),
    ];

    [Fact]
    public void Dependencies_PointOneWay()
    {
        string[] wrong =
        [
            .. References.Where(r => Layer(r.From) != Layer(r.To) && !BuiltIn.Contains(r.From.Name))
                .Where(r => !Allowed[Layer(r.From)].Contains(Layer(r.To)))
                .Select(r => $"{r.From} → {r.To}").Distinct().Order(),
        ];

        Assert.Empty(wrong);
    }

    [Fact]
    public void BuiltInBackends_AreKnownToTheRegistryAlone()
    {
        IEnumerable<string> users = References.Where(r => BuiltIn.Contains(r.To.Name))
            .Select(r => r.From.Name).Except(BuiltIn).Distinct();

        Assert.Equal(["BackendRegistry"], users);
    }

    [Fact]
    public void Kernels_AreKnownToTheirBackendAlone()
    {
        string[] wrong =
        [
            .. References.Where(r => IsKernel(r.To) && r.To.Namespace == "Transformer.Ops")
                .Where(r => !BuiltIn.Contains(r.From.Name) && r.From.Namespace != "Transformer.Ops")
                .Select(r => $"{r.From} → {r.To}").Distinct().Order(),
        ];

        Assert.Empty(wrong);
        Assert.Contains(References, r => IsKernel(r.To) && r.From.Name == "SimdBackend");
    }

    // A graph that reads no method bodies would see far fewer edges and forbid little.
    [Fact]
    public void References_AreFoundInSignaturesAndBodies()
    {
        Assert.Contains(References, r => r.From == typeof(GraphBuilder) &&
            r.To.Name == "ParameterSet");
        Assert.Contains(References, r => r.From.Name == "BackendRegistry" &&
            r.To.Name == "SimdBackend");
    }

    private static bool IsKernel(Type type) => type.GetInterfaces().Any(i =>
        i.IsGenericType && i.GetGenericTypeDefinition() == typeof(IKernel<>));

    private static string Layer(Type type) => Allowed.Keys
        .Where(key => type.Namespace == key ||
            type.Namespace!.StartsWith(key + ".", StringComparison.Ordinal))
        .MaxBy(key => key.Length)!;
}
