namespace Transformer.Backends;

/// <summary>The definition: plain loops with double accumulation, every option, one thread.</summary>
/// <remarks>Takes float, double, Half and BFloat16 buffers; rounds once, on writing.</remarks>
public sealed class ReferenceBackend : Backend
{
    private ReferenceBackend()
    {
    }

    /// <summary>The only instance.</summary>
    public static ReferenceBackend Instance { get; } = new();

    /// <inheritdoc/>
    public override string Name => "reference";

    /// <inheritdoc/>
    public override string Device => "CPU, plain C# in double precision";

    /// <inheritdoc/>
    public override int Priority => 0;
}
