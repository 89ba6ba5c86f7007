// snippet: translate
using Transformer.Models;

// /snippet
// snippet: drop-in-attention
using Transformer.Ops;

// /snippet
// snippet: checked-kernel
using Transformer.Verification;

// /snippet

namespace Transformer.Cli.Tests.Readme;

/// <summary>The code that the README shows, between markers, compiled here and run by
/// <see cref="ReadmeTests"/>.</summary>
internal static class Samples
{
    public static bool DropInAttention()
    {
        // snippet: drop-in-attention
        const int batch = 2, heads = 8, length = 128, width = 64;
        float[] q = new float[batch * heads * length * width]; // [batch, heads, length, width]
        float[] k = new float[q.Length], v = new float[q.Length], output = new float[q.Length];
        for (int i = 0; i < v.Length; i++) (q[i], k[i], v[i]) = (i % 7, i % 5, i % 3);

        AttentionSizes sizes = new(batch, heads, heads, length, length, width, width);
        AttentionOptions options = new() { Causal = CausalAlignment.TopLeft };
        FusedAttention.Forward(q, k, v, sizes, options, output);

        Console.WriteLine(output[0] == v[0]); // True: the first query sees the first key alone
        // /snippet
        return output[0] == v[0];
    }

    public static void CheckedKernel()
    {
        // snippet: checked-kernel
        KernelBackend mine = new KernelBackend("mine").Add<AddForward>((in call) =>
        {
            Span<float> left = call.Left.AsSpan<float>(), right = call.Right.AsSpan<float>();
            Span<float> output = call.Output.AsSpan<float>();
            for (int i = 0; i < output.Length; i++) output[i] = left[i] + right[i];
        }, lacks: (in call) => KernelBackend.NotFloat32(call.Left, call.Right, call.Output));

        foreach (ParityResult result in ParityRunner.Run(new() { Candidates = [mine] }))
            Assert.False(result.Failed, result.ToString());

        MachineLimits limits = MachineLimits.Measure(TimeSpan.FromSeconds(0.2));
        foreach (BenchRow row in BenchRunner.Run(limits, new() { Candidates = [mine] }))
            Console.WriteLine($"{row.Backend} {row.Shape}: {row.OfLimit:P0} of the roofline");
        // /snippet
    }

    public static void Translate()
    {
        // snippet: translate
        using Translator translator = Translator.Load("runs/en-ru"); // made by 'train seq2seq'
        Console.WriteLine(translator.Translate("I am a student")); // Я студент
        // /snippet
    }
}
