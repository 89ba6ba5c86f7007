using Transformer.Kernels.Ilgpu.Embedding;
using Transformer.Kernels.Ilgpu.Host;
using Transformer.Verification;

namespace Transformer.Kernels.Ilgpu.Tests;

/// <summary>What ILGPU makes of the kernels for an NVIDIA GPU; none is needed for it.</summary>
public sealed class PtxTests
{
    private static readonly Lazy<IReadOnlyDictionary<string, string>> Compiled = new(Compile);

    /// <summary>Also proves that every kernel compiles in each of its types, and that every launch
    /// of a parity case is within the limits of the device.</summary>
    [Fact]
    public void EveryKernelKeepsItsNumbersInRegisters()
    {
        Assert.Contains(Compiled.Value, k => k.Key.StartsWith("Product", StringComparison.Ordinal));
        string[] local = [.. Compiled.Value.Where(
            k => k.Value.Contains(".local", StringComparison.Ordinal)).Select(k => k.Key)];
        Assert.True(local.Length == 0, $"local memory in: {string.Join("; ", local)}");
    }

    [Theory]
    [InlineData("NormForward.GroupPerRow", true, false)]
    [InlineData("NormBackward.GroupPerRow", true, false)]
    [InlineData("Product.GroupPerTile", true, true)]
    [InlineData("AttentionForwardKernel.GroupPerTile", true, true)]
    [InlineData("AttentionBackwardKernels.QueryGradient", true, true)]
    [InlineData("AttentionBackwardKernels.KeyGradient", true, true)]
    [InlineData("CrossEntropyKernels.GroupPerRow", true, false)]
    [InlineData("DropoutKernel.ThreadPerFour", true, false)]
    [InlineData("AdamWKernel.ThreadPerFour", true, false)]
    public void FloatsMoveByFours(string kernel, bool global, bool shared)
    {
        string ptx = Compiled.Value.First(k => k.Key.StartsWith(
            $"{kernel}<Single, ", StringComparison.Ordinal)).Value;
        Assert.Equal(global, ptx.Contains("ld.global.v4.f32", StringComparison.Ordinal));
        Assert.Equal(shared, ptx.Contains("ld.shared.v4.f32", StringComparison.Ordinal));
    }

    /// <summary>Every kernel loads by fours, those without a type among them, but for those that
    /// take single elements, each for its reason. Of 16-bit kernels a four has 64 bits.</summary>
    [Fact]
    public void KernelsThatLoadSingleElementsAreTheseOnly()
    {
        string[] expected =
        [
            // Sums over rows: neighbouring threads have neighbouring columns.
            "GradientColumns.ThreadPerColumn", "PartialSums.ThreadPerColumn",
            "NormBackward.ThreadPerColumn", "AttentionFinish.MergeSplits",
            // A few numbers a row, or one in all.
            "AttentionSums.GroupPerSink", "CrossEntropyKernels.Reduce",
            "GradientNormKernels.Total", "LikelihoodKernels.ThreadPerLabel",
            // Any axis: what is summed lies apart in memory.
            "SoftmaxKernels.GroupPerColumns", "LikelihoodKernels.GradientGroupPerOuter",
            // Rows of any length that begin anywhere, read many times from the cache.
            "TopKKernel.GroupPerRow", "SamplingKernel.GroupPerRow",
            // Pairs that lie side by side or half a head apart.
            "RotaryKernel.GroupPerToken",
            // The same pairs, from any type to any other.
            "AppendKernel.GroupPerRow",
            // Integers: ids and their counts.
            "EmbeddingGradients.Clear", "EmbeddingGradients.Count", "EmbeddingGradients.Scan",
            "EmbeddingGradients.Place", "EmbeddingGradients.Order",
        ];
        IEnumerable<string> single = Compiled.Value
            .Where(k => !k.Key.Contains("<UInt16, ", StringComparison.Ordinal)
                && !k.Value.Contains("ld.global.v4.f32", StringComparison.Ordinal))
            .Select(k => k.Key[..k.Key.IndexOf('<', StringComparison.Ordinal)]).Distinct();
        Assert.Equal(expected.Order(), single.Order());
    }

    /// <summary>The loop of the products over k: three loads and 32 products and sums, nothing by
    /// way of single floats.</summary>
    [Fact]
    public void Product_InnerLoopLoadsOnlyByFours()
    {
        string ptx = Compiled.Value["Product.GroupPerTile<Single, SingleStorage>"];
        Assert.DoesNotContain("ld.shared.f32", ptx, StringComparison.Ordinal);
        Assert.Equal(3, ptx.Split("ld.shared.v4.f32").Length - 1);
    }

    [Fact]
    public void FailedCompile_SaysWhyAndSpoilsNoLaterOne()
    {
        KernelCompiler compiler = PtxQueue.CreateCompiler();
        Action<EmbeddingLists> bad = BadKernels.TakesAnObject, good = EmbeddingGradients.Count;
        string message = Assert.Throws<NotSupportedException>(
            () => compiler.Compile(bad.Method)).Message;
        Assert.StartsWith(
            "ILGPU: kernel BadKernels.TakesAnObject does not compile: ", message,
            StringComparison.Ordinal);
        Assert.NotNull(compiler.Compile(good.Method));
    }

    private static Dictionary<string, string> Compile()
    {
        PtxQueue queue = new();
        IlgpuBackend backend = new("ilgpu-ptx", -1, queue);
        foreach (string op in backend.Kernels.Select(k => k.Op).Distinct())
            foreach (ParityCase parity in TestCases.Of(op)) Run(parity);
        // For ptxas -v, which tells registers and spills.
        if (Environment.GetEnvironmentVariable("TRANSFORMER_PTX_FOLDER") is { Length: > 0 } folder)
        {
            foreach ((string name, string ptx) in queue.Compiled)
                File.WriteAllText(Path.Combine(folder, $"{name}.ptx"), ptx);
        }

        return new(queue.Compiled);

        // Nothing is written; what counts is what was compiled and launched.
        void Run(ParityCase parity)
        {
            if (backend.Kernels.Any(k => k.Op == parity.Op && k.Direction == parity.Direction))
                parity.Execute(backend);
        }
    }
}
