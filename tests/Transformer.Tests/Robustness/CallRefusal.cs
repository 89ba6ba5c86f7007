using Transformer.Backends;

namespace Transformer.Tests.Robustness;

internal static class CallRefusal
{
    /// <summary>Requires an ArgumentException and no other, in one line that begins so and goes
    /// on with a remedy: one more sentence.</summary>
    public static void Require<TCall>(TCall call, string start, Backend? backend = null)
        where TCall : struct, IOpCall
    {
        ArgumentException error = Assert.Throws<ArgumentException>(
            () => (backend ?? BackendRegistry.Cpu).Run(call));
        Assert.StartsWith(start, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
        Assert.EndsWith(".", error.Message, StringComparison.Ordinal);
        Assert.Contains(". ", error.Message, StringComparison.Ordinal);
    }
}
