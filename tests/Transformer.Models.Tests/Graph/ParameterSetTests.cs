using Transformer.Backends;
using Transformer.Models.Graph;

namespace Transformer.Models.Tests.Graph;

public class ParameterSetTests
{
    [Fact]
    public void Layout_PutsDecayedFirstAndConstantsLast()
    {
        using ParameterSet set = new(BackendRegistry.Cpu);
        Parameter bias = set.Declare("bias", new(3), Initializer.Ones, decay: false);
        Parameter constant = set.Declare("table", new(2, 2), Initializer.Constant([1, 2, 3, 4]),
            trainable: false);
        Parameter weight = set.Declare("weight", new(5, 7), Initializer.XavierUniform());
        set.Allocate(1);
        Assert.Equal(3 + 4 + 35, set.Count);
        Assert.Equal(48, set.DecayedLength);
        Assert.Equal(64, set.Values.Length);
        Assert.Equal(64, set.Gradients.Length);
        Assert.Equal(64, set.FirstMoments.Length);
        Assert.Equal(set.Values.Address, weight.Value.Address);
        Assert.Equal(set.Values.Address + (48 * 4), bias.Value.Address);
        Assert.True(constant.Gradient.IsAbsent);
        Assert.False(constant.Decay);
        Assert.Equal([1f, 2, 3, 4], constant.Value.AsSpan<float>().ToArray());
        Assert.All(set.Values.AsSpan<float>()[35..48].ToArray(), v => Assert.Equal(0, v));
        Assert.All(set.SecondMoments.AsSpan<float>().ToArray(), v => Assert.Equal(0, v));
    }

    [Fact]
    public void Group_LiesSideBySide()
    {
        using ParameterSet set = new(BackendRegistry.Cpu);
        set.Declare("before", new(3), Initializer.Ones);
        Parameter[] parts = set.DeclareGroup(
            new("q", new(2, 5), Initializer.Ones), new("k", new(1, 5), Initializer.Ones));
        set.Allocate(1);
        Assert.Equal(parts[0].Value.Address + (10 * 4), parts[1].Value.Address);
        Assert.Equal(0, parts[0].Value.Address % 64);
    }

    [Fact]
    public void Initialisation_DependsOnSeedAndIsOfTheRightSize()
    {
        float[] a = Draw(1, Initializer.Normal(0.5));
        Assert.Equal(a, Draw(1, Initializer.Normal(0.5)));
        Assert.NotEqual(a, Draw(2, Initializer.Normal(0.5)));
        // 10,000 draws: the mean's deviation is 0.005, the deviation's 0.0035; five of each.
        Assert.InRange(a.Average(), -0.025, 0.025);
        Assert.InRange(Math.Sqrt(a.Average(v => (double)v * v)), 0.4825, 0.5175);

        double bound = Math.Sqrt(6.0 / 200);
        float[] uniform = Draw(1, Initializer.XavierUniform());
        Assert.All(uniform, v => Assert.InRange(v, -bound, bound));
        // The deviation of a uniform number in ±b is b/√3.
        Assert.InRange(Math.Sqrt(uniform.Average(v => (double)v * v)),
            0.97 * bound / Math.Sqrt(3), 1.03 * bound / Math.Sqrt(3));
    }

    [Fact]
    public void Declare_AgainReturnsTheSame()
    {
        using ParameterSet set = new(BackendRegistry.Cpu);
        Parameter first = set.Declare("w", new(2), Initializer.Ones);
        Assert.Same(first, set.Declare("w", new(2), Initializer.Zeros));
        set.Allocate(1);
        Assert.Same(first, set.Declare("w", new(2), Initializer.Zeros));
        Assert.Throws<InvalidOperationException>(
            () => set.Declare("late", new(2), Initializer.Zeros));
    }

    private static float[] Draw(ulong seed, Initializer initializer)
    {
        using ParameterSet set = new(BackendRegistry.Cpu);
        Parameter parameter = set.Declare("w", new(100, 100), initializer);
        set.Allocate(seed);
        float[] values = new float[10_000];
        parameter.CopyTo(values);
        return values;
    }
}
