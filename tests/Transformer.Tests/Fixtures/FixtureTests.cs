using Transformer.Tensors;

namespace Transformer.Tests.Fixtures;

/// <summary>The recorded numbers are whole, documented, and satisfy what needs no kernel.</summary>
public class FixtureTests
{
    [Fact]
    public void Readme_ListsEveryCaseAndTensor()
    {
        string page = File.ReadAllText(Path.Combine(Fixture.Folder, "README.md"));
        string[] files = Fixture.Files();
        Assert.Equal(27, files.Length);
        foreach (string name in files)
        {
            int start = page.IndexOf($"### {name}\n", StringComparison.Ordinal);
            Assert.True(start >= 0, $"README.md has no section '{name}'.");
            int next = page.IndexOf("\n### ", start, StringComparison.Ordinal);
            string section = next < 0 ? page[start..] : page[start..next];
            foreach (object[] row in Fixture.Cases(name))
            {
                Assert.Contains($"**{row[1]}**", section);
                foreach (string tensor in Fixture.Load(name, (string)row[1]).Names())
                    Assert.Contains($"`{tensor}`", section);
            }
        }
    }

    [Fact]
    public void RealInputs_AreFloat32AndResultsFloat64()
    {
        Fixture fixture = Fixture.Load("layer_norm", "affine");
        Assert.Equal(DType.Float32, fixture.Type("x"));
        Assert.Equal(DType.Float64, fixture.Type("d_x"));
        Assert.Equal([2, 5, 11], fixture.Shape("x"));
        Assert.Equal(110, fixture.Doubles("x").Length);
        Assert.Equal(fixture.Singles("x").Select(x => (double)x), fixture.Doubles("x"));
    }

    [Theory]
    [MemberData(nameof(AttentionCases))]
    public void Attention_WeightsSumToOneOrNothingIsSeen(string file, string @case)
    {
        Fixture fixture = Fixture.Load(file, @case);
        double[] weights = fixture.Doubles("probabilities"), lse = fixture.Doubles("lse");
        int keys = (int)fixture.Shape("probabilities")[^1];
        for (int row = 0; row < lse.Length; row++)
        {
            double sum = weights.AsSpan(row * keys, keys).ToArray().Sum();
            if (fixture.Has("sinks") && !double.IsNegativeInfinity(lse[row]))
            {
                int head = row / (int)fixture.Shape("q")[2] % (int)fixture.Shape("q")[1];
                sum += Math.Exp(fixture.Doubles("sinks")[head] - lse[row]);
            }

            // Six terms of at most 1 round by a few units in the last place of 1.
            Assert.Equal(double.IsNegativeInfinity(lse[row]) ? 0.0 : 1.0, sum, 1e-14);
        }
    }

    [Fact]
    public void Options_AreTyped()
    {
        Assert.Equal(
            "bottom_right", Fixture.Load("attention_heads", "everything").Option("causal"));
        Assert.Null(Fixture.Load("attention_scores", "default").Option("causal"));
        Assert.Equal(0.98, Fixture.Load("adamw", "adamw").Scalar("beta2"));
        Assert.Equal(5.0, Fixture.Load("attention_scores", "soft_cap").Scalar("soft_cap"));
        Assert.Equal(0, Fixture.Load("embedding", "padding").Scalar("padding_id"));
        Assert.Equal([6, 0, 3], Fixture.Load("attention_lengths", "lengths").Ints("key_lengths"));
        Assert.Equal(24, Fixture.Load("attention_mask", "rank2").Bools("mask").Length);
    }

    [Fact]
    public void UnknownCase_IsNamed()
    {
        var error = Assert.Throws<ArgumentException>(() => Fixture.Load("adamw", "sgd"));
        Assert.Contains("'sgd'", error.Message);
    }

    public static TheoryData<string, string> AttentionCases() => Fixture.Cases("attention_*");
}
