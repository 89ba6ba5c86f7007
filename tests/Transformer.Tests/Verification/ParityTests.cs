using Transformer.Backends;
using Transformer.Verification;

namespace Transformer.Tests.Verification;

/// <summary>Every kernel of every backend against the reference in double precision.</summary>
public sealed class ParityTests
{
    public static TheoryData<string, string, OpDirection> Kernels()
    {
        TheoryData<string, string, OpDirection> rows = [];
        foreach (Backend backend in BackendRegistry.All)
        {
            foreach (KernelInfo kernel in backend.Kernels)
            {
                rows.Add(kernel.Op, backend.Name, kernel.Direction);
            }
        }

        return rows;
    }

    [SkippableTheory]
    [MemberData(nameof(Kernels))]
    public void Kernel_MatchesReference(string op, string backend, OpDirection direction)
    {
        Backend device = BackendRegistry.All.Single(b => b.Name == backend);
        Skip.If(device.UnavailableReason is not null, device.UnavailableReason);
        ParityResult[] results = [.. ParityCases.Select([op], quick: false)
            .Where(c => c.Direction == direction).Select(c => c.Run(device))];

        Assert.True(results.All(r => !r.Failed),
            string.Join('\n', results.Where(r => r.Failed).Take(20)));
        Assert.Contains(results, r => r.Passed);
    }

    [Fact]
    public void Registry_HasCasesForEveryKernel()
    {
        HashSet<(string, OpDirection)> covered =
            [.. ParityCases.All.Where(c => c.Quick).Select(c => (c.Op, c.Direction))];

        string[] missing = [.. BackendRegistry.All.SelectMany(b => b.Kernels)
            .Where(k => !covered.Contains((k.Op, k.Direction)))
            .Select(k => $"{k.Op} {k.Direction} ({k.Kernel})").Distinct()];

        Assert.Empty(missing);
    }

    [Fact]
    public void CaseNames_AreUniqueWithinOpDirectionAndType() =>
        Assert.Empty(ParityCases.All.GroupBy(c => (c.Op, c.Direction, c.DType, c.Name))
            .Where(group => group.Count() > 1).Select(group => group.Key));

    [Fact]
    public void Run_RejectsUnknownNames()
    {
        ArgumentException op = Assert.Throws<ArgumentException>(
            () => ParityRunner.Run(new(Ops: ["Convolution"])));
        Assert.StartsWith(
            "verify: op 'Convolution' is unknown. Use one of: Embedding, ", op.Message);
        ArgumentException backend = Assert.Throws<ArgumentException>(
            () => ParityRunner.Run(new(Backends: ["abacus"])));
        Assert.Equal(
            $"verify: backend 'abacus' is unknown. Use one of: " +
            $"{string.Join(", ", BackendRegistry.All.Select(b => b.Name))}.", backend.Message);
    }
}
