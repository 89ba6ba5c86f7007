using System.Globalization;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>Runs sets of arguments one after another in this process.</summary>
internal static class FuzzRun
{
    private static readonly Action<FuzzCall>[] Attention =
        [AttentionFuzz.Forward, AttentionFuzz.Backward];

    private static readonly Action<FuzzCall>[] Others =
    [
        OperationFuzz.LinearForward, OperationFuzz.LinearBackward, OperationFuzz.LayerNormForward,
        OperationFuzz.LayerNormBackward, OperationFuzz.FeedForwardForward,
        OperationFuzz.FeedForwardBackward, OperationFuzz.EmbeddingForward,
        OperationFuzz.EmbeddingBackward, OperationFuzz.CrossEntropyForward,
        OperationFuzz.CrossEntropyBackward, OperationFuzz.DropoutBoth, OperationFuzz.AdamW,
        OperationFuzz.GradientNorm, OperationFuzz.KvCacheAppend, OperationFuzz.ActivationBoth,
        OperationFuzz.Add, OperationFuzz.RmsNormForward, OperationFuzz.RmsNormBackward,
        OperationFuzz.SoftmaxBoth, OperationFuzz.TopKForward, OperationFuzz.SamplingForward,
        OperationFuzz.NegativeLogLikelihoodForward,
        OperationFuzz.NegativeLogLikelihoodBackward, OperationFuzz.Rotary,
        OperationFuzz.AttentionMerge, TensorSpanFuzz.Forward, TensorSpanFuzz.Backward,
        KvCacheFuzz.Call,
    ];

    /// <summary>Runs sets first … first + count − 1; writes each set's number before it runs.
    /// </summary>
    /// <returns>What was found, or how many were accepted.</returns>
    public static (string? Finding, long Accepted) Run(
        ulong seed, long first, long count, Action<long> begin)
    {
        using FuzzCall call = new();
        long accepted = 0;
        for (long set = first; set < first + count; set++)
        {
            begin(set);
            if (RunOne(call, seed, set, describe: false, ref accepted) is null) continue;
            string? again = RunOne(call, seed, set, describe: true, ref accepted);
            return ($"{Title(call, seed, set)}: {again ?? "it did not happen again"}", accepted);
        }

        return (null, accepted);
    }

    /// <summary>What a set calls, and with what; it is not run.</summary>
    public static string Describe(ulong seed, long set)
    {
        using FuzzCall call = new() { IsDry = true };
        long accepted = 0;
        RunOne(call, seed, set, describe: true, ref accepted);
        return Title(call, seed, set);
    }

    private static string? RunOne(
        FuzzCall call, ulong seed, long set, bool describe, ref long accepted)
    {
        call.Begin(Mix(seed, set), describe);
        string? finding = null;
        bool ran = false;
        try
        {
            Target(set)(call);
            ran = true;
            accepted++;
        }
        catch (Exception exception) when (exception is ArgumentException or NotSupportedException)
        {
            finding = call.IsRight
                ? $"was refused: {exception.Message}" : DescribeMessage(exception.Message);
        }
        catch (FuzzCall.DryRunException)
        {
            // It was to be described only.
        }
        catch (Exception exception)
        {
            finding = exception.ToString();
        }

        return call.Check(ran) ?? finding;
    }

    private static string? DescribeMessage(string message) =>
        message.Contains('\n', StringComparison.Ordinal) ||
        message.Contains("(Parameter", StringComparison.Ordinal) ||
        !message.EndsWith('.') || !message.Contains(": ", StringComparison.Ordinal)
            ? $"the message does not name thing and remedy in one line: {message}" : null;

    // One in four calls another op than attention.
    private static Action<FuzzCall> Target(long set) => set % 4 != 0
        ? Attention[set % 2] : Others[set / 4 % Others.Length];

    private static string Title(FuzzCall call, ulong seed, long set) => string.Create(
        CultureInfo.InvariantCulture,
        $"set {set} of seed {seed}, {Target(set).Method.DeclaringType?.Name}." +
        $"{Target(set).Method.Name}: {call.Description}");

    private static ulong Mix(ulong seed, long set) => (seed * 0xD1342543DE82EF95) + (ulong)set;
}
