using Transformer.Backends;

namespace Transformer.Verification;

/// <summary>What an assembly brings to <c>transformer verify --plugin</c> and <c>bench --plugin
/// </c>: a public class with a parameterless constructor that implements this.</summary>
public interface IKernelPlugin
{
    /// <summary>The backends that hold the kernels, each with a name that no other has; read once.
    /// </summary>
    IEnumerable<Backend> Backends { get; }

    /// <summary>Cases of ops that the assembly itself defines, each with its
    /// <see cref="ParityCase.Reference"/>.</summary>
    IEnumerable<ParityCase> Cases => [];

    /// <summary>Calls to be timed of ops that the assembly itself defines: the same number in the
    /// same order at every size.</summary>
    /// <param name="size">A model's sizes.</param>
    IEnumerable<BenchCase> BenchCases(BenchSize size) => [];
}
