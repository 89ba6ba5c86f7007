using System.Globalization;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Transformer.Tests.Support;

/// <summary>
/// Checks that something holds for random cases; a failure is shrunk and reported with its seed.
/// </summary>
/// <remarks>
/// The cases are the same at every run. TRANSFORMER_PROPERTY_SEED takes others, and
/// TRANSFORMER_PROPERTY_CASES (a factor, such as 20) takes more of them.
/// </remarks>
internal static class Property
{
    private const ulong DefaultSeed = 20_260_101;

    /// <summary>Requires that <paramref name="check"/> throws for no case.</summary>
    public static void Holds<T>(Arbitrary<T> cases, int count, Action<T> check)
    {
        ulong seed = Number("TRANSFORMER_PROPERTY_SEED", DefaultSeed);
        int factor = (int)Number("TRANSFORMER_PROPERTY_CASES", 1);
        if (Find(cases, count * factor, check, seed) is { } failure)
            Assert.Fail(failure.ToString());
    }

    /// <summary>The first failure, shrunk; null where all cases pass.</summary>
    public static PropertyFailure<T>? Find<T>(
        Arbitrary<T> cases, int count, Action<T> check, ulong seed = DefaultSeed)
    {
        Recorder<T> recorder = new(seed);
        Prop.ForAll(cases, check).Check(Config.Quick.WithMaxTest(count)
            .WithReplay(seed, (seed * 2) + 1).WithRunner(recorder));
        return recorder.Failure;
    }

    private static ulong Number(string variable, ulong otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? ulong.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    private sealed class Recorder<T>(ulong seed) : IRunner
    {
        private int shrinks;

        public PropertyFailure<T>? Failure { get; private set; }

        public void OnStartFixture(Type t)
        {
        }

        public void OnArguments(int ntest, FSharpList<object> args,
            FSharpFunc<int, FSharpFunc<FSharpList<object>, string>> every)
        {
        }

        public void OnShrink(
            FSharpList<object> args, FSharpFunc<FSharpList<object>, string> everyShrink) =>
            shrinks++;

        public void OnFinished(string name, TestResult result)
        {
            if (result is not TestResult.Failed failed)
            {
                Assert.True(result.IsPassed, "The generator gave too few cases.");
                return;
            }

            string message = failed.Item4 is Outcome.Failed outcome
                ? outcome.Item.Message : failed.Item4.ToString();
            Failure = new((T)failed.Item2.Head, (T)failed.Item3.Head, shrinks, message, seed);
        }
    }
}

/// <summary>A case that fails, and the smallest one that was reached from it.</summary>
/// <param name="Found">As generated.</param>
/// <param name="Smallest">After shrinking.</param>
/// <param name="Shrinks">Steps from one to the other.</param>
/// <param name="Message">Why the smallest one fails.</param>
/// <param name="Seed">Of the run.</param>
internal sealed record PropertyFailure<T>(
    T Found, T Smallest, int Shrinks, string Message, ulong Seed)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"smallest failing case: {Smallest}\n  {Message}\n  found as: {Found}, {Shrinks} " +
        $"shrinking steps; again with TRANSFORMER_PROPERTY_SEED={Seed}");
}
