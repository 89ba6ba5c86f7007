using System.Text;
using FsCheck;
using FsCheck.Fluent;

namespace Transformer.Models.Tests.Text;

/// <summary>Arbitrary well-formed text: words, marks, white space, any code point.</summary>
internal static class RandomText
{
    private static readonly Gen<int> AnyCodePoint =
        Gen.Choose(0, 0x10FFFF - 0x800).Select(c => c < 0xD800 ? c : c + 0x800);

    private static readonly Gen<int> CodePoint = Gen.Frequency(
        (8, Gen.Choose('a', 'e')),
        (2, Gen.Choose(0x20, 0x7E)),
        (2, Gen.Choose('а', 'я')),
        (4, Gen.Constant((int)' ')),
        (2, Gen.Elements(0x09, 0x0A, 0x0D, 0xA0, 0x2009, 0x3000, '\'', '’', '-', '.', '1')),
        (1, Gen.Choose(0x1F600, 0x1F64F)),
        (1, Gen.Choose(0x300, 0x36F)),
        (1, AnyCodePoint));

    public static Arbitrary<string> Any { get; } = Of(CodePoint);

    /// <summary>As <see cref="Any"/>, one UTF-16 unit a code point.</summary>
    public static Arbitrary<string> BasicPlane { get; } = Of(CodePoint.Select(c => c & 0xFFFF)
        .Where(c => c is < 0xD800 or > 0xDFFF));

    /// <summary>Runs a property on random inputs; a failure shows the smallest one found.</summary>
    public static void Check(Arbitrary<string> text, Func<string, bool> property) =>
        Prop.ForAll(text, property).Check(Config.QuickThrowOnFailure.WithMaxTest(500));

    private static Arbitrary<string> Of(Gen<int> codePoint) => Arb.From(
        codePoint.ArrayOf().Select(points =>
        {
            StringBuilder text = new();
            foreach (int point in points) text.Append(new Rune(point).ToString());
            return text.ToString();
        }),
        text => Enumerable.Range(0, text.Length)
            .Where(i => !char.IsSurrogate(text[i]))
            .Select(i => text.Remove(i, 1)));
}
