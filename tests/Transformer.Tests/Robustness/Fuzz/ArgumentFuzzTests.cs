using System.Globalization;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>
/// Entries on spans with random arguments, right ones and wrong ones, every buffer against a page
/// that nobody may touch: no call crashes, hangs, writes where it may not, or fails without a
/// message; a set whose arguments are all right runs.
/// </summary>
/// <remarks>TRANSFORMER_FUZZ_SETS=1000000 takes a million, about a minute;
/// TRANSFORMER_FUZZ_SEED=2 others.</remarks>
public sealed class ArgumentFuzzTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public void RandomArguments_NeverCrashHangOrLeaveTheirBuffers()
    {
        long sets = Number("TRANSFORMER_FUZZ_SETS", 100_000);
        FuzzOutcome outcome =
            FuzzProcess.Run((ulong)Number("TRANSFORMER_FUZZ_SEED", 1), 0, sets, Patience);

        Assert.Null(outcome.Finding);
        // Enough of them are right that the kernels run, and enough wrong.
        Assert.InRange(outcome.Accepted, sets / 10, sets * 9 / 10);
    }

    [SkippableTheory]
    [InlineData("read", "ended the process with code ")]
    [InlineData("write", "ended the process with code ")]
    [InlineData("hang", "does not end: ")]
    public void Mistakes_AreReportedWithTheirSet(string mistake, string report)
    {
        Skip.If(!GuardedMemory.HasGuards && mistake != "hang",
            "this system has no pages whose access ends the process");
        FuzzOutcome outcome =
            FuzzProcess.Run(7, 100, 1000, TimeSpan.FromSeconds(3), mistake, at: 611);

        Assert.StartsWith(report, outcome.Finding, StringComparison.Ordinal);
        Assert.Contains("set 611 of seed 7, AttentionFuzz.Backward: Hkv ", outcome.Finding,
            StringComparison.Ordinal);
    }

    [Fact]
    public void WritesBesideASpan_AreFound()
    {
        using FuzzBuffer buffer = new();
        Span<float> written = buffer.Take<float>(10, atEnd: false, FuzzAccess.Write);
        written.Fill(1);
        Assert.Null(buffer.Check(ran: true));

        written = buffer.Take<float>(10, atEnd: false, FuzzAccess.Write);
        System.Runtime.InteropServices.MemoryMarshal.CreateSpan(ref written[9], 3)[2] = 1;
        Assert.Equal("was written 5 bytes behind its end", buffer.Check(ran: true));

        buffer.Take<float>(10, atEnd: true, FuzzAccess.Write)[3] = 0;
        Assert.Equal("was written by a refused call", buffer.Check(ran: false));

        buffer.Take<float>(10, atEnd: true, FuzzAccess.Read)[3] = 0;
        Assert.Equal("is an input and was changed", buffer.Check(ran: true));
    }

    private static long Number(string variable, long otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? long.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
