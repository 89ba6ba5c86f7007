using Transformer.Models.Text;

namespace Transformer.Models.Tests.Text;

/// <summary>Worked examples: counts by hand, the score from them by the formula.</summary>
public class BleuTests
{
    // Sums of four logarithms: a few units in the last place.
    private const double Tolerance = 1e-10;

    [Fact]
    public void Corpus_EqualSentences_Score100()
    {
        BleuScore bleu = Score("The cat is on the mat.", "The cat is on the mat.");
        Assert.Equal(100, bleu.Score, Tolerance);
        Assert.Equal([7, 6, 5, 4], bleu.Total);
        Assert.Equal([7, 6, 5, 4], bleu.Correct);
        Assert.Equal(
            "BLEU = 100.00 100.0/100.0/100.0/100.0 (BP = 1.000 ratio = 1.000 hyp_len = 7 " +
            "ref_len = 7)",
            bleu.ToString());
    }

    [Fact]
    public void Corpus_OneWordWrong()
    {
        // the cat sat on the mat . / the cat is on the mat .
        // 1: all but "sat" = 6 of 7. 2: "the cat", "on the", "the mat", "mat ." = 4 of 6.
        // 3: "on the mat", "the mat ." = 2 of 5. 4: "on the mat ." = 1 of 4.
        // Product of precisions: 6/7 · 4/6 · 2/5 · 1/4 = 48/840 = 2/35.
        BleuScore bleu = Score("the cat sat on the mat .", "the cat is on the mat .");
        Assert.Equal([6, 4, 2, 1], bleu.Correct);
        Assert.Equal([7, 6, 5, 4], bleu.Total);
        Assert.Equal(1, bleu.BrevityPenalty);
        Assert.Equal(100 * Math.Pow(2.0 / 35, 0.25), bleu.Score, Tolerance);
        Assert.Equal(48.8923, bleu.Score, 1e-4);
    }

    [Fact]
    public void Corpus_ClipsRepeatedWords()
    {
        // "the" occurs twice in the reference: 2 of 7. No longer match, so smoothing halves:
        // 100/(2·6), 100/(4·5), 100/(8·4).
        // Product: 2/7 · 1/12 · 1/20 · 1/32 = 2/53760 = 1/26880.
        BleuScore bleu = Score("the the the the the the the", "the cat is on the mat");
        Assert.Equal([2, 0, 0, 0], bleu.Correct);
        Assert.Equal([7, 6, 5, 4], bleu.Total);
        Assert.Equal(100 / 12.0, bleu.Precisions[1], Tolerance);
        Assert.Equal(100 / 20.0, bleu.Precisions[2], Tolerance);
        Assert.Equal(100 / 32.0, bleu.Precisions[3], Tolerance);
        Assert.Equal(100 * Math.Pow(1.0 / 26880, 0.25), bleu.Score, Tolerance);
    }

    [Fact]
    public void Corpus_SmoothsMissingFourGrams()
    {
        // a b c x d / a b c y d: 4 of 5; "a b", "b c" 2 of 4; "a b c" 1 of 3; 0 of 2 → 1/(2·2).
        // Product: 4/5 · 1/2 · 1/3 · 1/4 = 1/30.
        BleuScore bleu = Score("a b c x d", "a b c y d");
        Assert.Equal([4, 2, 1, 0], bleu.Correct);
        Assert.Equal(25, bleu.Precisions[3], Tolerance);
        Assert.Equal(100 * Math.Pow(1.0 / 30, 0.25), bleu.Score, Tolerance);
    }

    [Fact]
    public void Corpus_PenalisesShortHypotheses()
    {
        // All n-grams right, 5 tokens for 8: exp(1 − 8/5) = exp(−0.6).
        BleuScore bleu = Score("a b c d e", "a b c d e f g h");
        Assert.Equal(Math.Exp(-0.6), bleu.BrevityPenalty, Tolerance);
        Assert.Equal(100 * Math.Exp(-0.6), bleu.Score, Tolerance);
        Assert.Equal((5, 8), (bleu.SystemLength, bleu.ReferenceLength));
    }

    [Fact]
    public void Corpus_SumsCountsOverSentences()
    {
        // Sentence 1: a b c d / a b c d: 4, 3, 2, 1 of the same. Sentence 2: x y / a x y: 2 of 2,
        // 1 of 1. Sums: 6/6, 4/4, 2/2, 1/1; lengths 6 and 7: exp(1 − 7/6).
        BleuScore bleu = Bleu.Corpus(["a b c d", "x y"], ["a b c d", "a x y"]);
        Assert.Equal([6, 4, 2, 1], bleu.Correct);
        Assert.Equal([6, 4, 2, 1], bleu.Total);
        Assert.Equal(100 * Math.Exp(-1.0 / 6), bleu.Score, Tolerance);
    }

    [Fact]
    public void Corpus_EmptyHypothesis()
    {
        BleuScore alone = Score("", "a b c d");
        Assert.Equal((0.0, 0.0), (alone.Score, alone.BrevityPenalty));
        Assert.Equal([0, 0, 0, 0], alone.Precisions);
        Assert.Equal((0, 4), (alone.SystemLength, alone.ReferenceLength));

        // Among others it only lengthens the references: 4 tokens for 6, exp(1 − 6/4).
        BleuScore among = Bleu.Corpus(["a b c d", " "], ["a b c d", "e f"]);
        Assert.Equal(100 * Math.Exp(-0.5), among.Score, Tolerance);
    }

    [Fact]
    public void Corpus_NoMatchOrNoFourGram_ScoresZero()
    {
        Assert.Equal(0, Score("a b c d e", "v w x y z").Score);
        // All right but too short for 4-grams: their precision is 0, and so is the product.
        BleuScore brief = Score("a b c", "a b c");
        Assert.Equal(0, brief.Score);
        Assert.Equal([100, 100, 100, 0], brief.Precisions);
    }

    [Fact]
    public void Corpus_TokenizesAndKeepsCase()
    {
        // Entities and glued marks cut alike on both sides; "Tom" and "tom" differ:
        // Tom & " Jerry " ! / tom & " Jerry " !: 5/6, 4/5, 3/4, 2/3; product 1/3.
        BleuScore bleu = Score("Tom &amp; &quot;Jerry&quot;!", "tom & \"Jerry\"!");
        Assert.Equal([5, 4, 3, 2], bleu.Correct);
        Assert.Equal(100 * Math.Pow(1.0 / 3, 0.25), bleu.Score, Tolerance);
    }

    [Fact]
    public void Corpus_ThrowsOnDifferentCounts()
    {
        Assert.Equal(
            "Bleu: 1 hypotheses and 2 references; expected equal counts, at least 1.",
            Assert.Throws<ArgumentException>(() => Bleu.Corpus(["a"], ["a", "b"])).Message);
        Assert.Throws<ArgumentException>(() => Bleu.Corpus([], []));
    }

    [Theory]
    [InlineData("Hello, world!", "Hello|,|world|!")]
    [InlineData("It cost 1,000.50 dollars.", "It|cost|1,000.50|dollars|.")]
    // Rule 2 cuts the stop after U and after S; neither stands between digits.
    [InlineData("the U.S. army", "the|U|.|S|.|army")]
    [InlineData("in 2004-05", "in|2004|-|05")]
    [InlineData("well-known don't", "well-known|don't")]
    [InlineData("3.5% of $5", "3.5|%|of|$|5")]
    [InlineData("x.5 and .5 and 5.", "x|.|5|and|.|5|and|5|.")]
    // "a.." → rule 2 takes "a." and leaves the second stop to rule 3.
    [InlineData("Wait...", "Wait|.|.|.")]
    [InlineData("a [b] {c} (d) <e>", "a|[|b|]|{|c|}|(|d|)|<|e|>")]
    [InlineData("a/b\\c@d#e_f`g~h|i^j", "a|/|b|\\|c|@|d|#|e|_|f|`|g|~|h|PIPE|i|^|j")]
    [InlineData("a&b*c+d=e;f:g?h", "a|&|b|*|c|+|d|=|e|;|f|:|g|?|h")]
    [InlineData("&lt;b&gt; &quot;R&amp;D&quot;", "<|b|>|\"|R|&|D|\"")]
    // &amp; is undone before &lt;, as in the script: &amp;lt; becomes <.
    [InlineData("&amp;lt; &apos;", "<|&|apos|;")]
    [InlineData("one<skipped> two-\nfold\nend \n", "one|twofold|end")]
    [InlineData("«Да», — сказал он…", "«Да»|,|—|сказал|он…")]
    [InlineData("a\u00A0b\u3000c\u001Dd", "a|b|c|d")]
    [InlineData("😀.😀", "😀|.|😀")]
    [InlineData(" \t ", "")]
    public void Tokenizer13a_CutsAsTheScript(string text, string expected) => Assert.Equal(
        expected.Length == 0 ? [] : expected.Split('|').Select(t => t == "PIPE" ? "|" : t),
        Bleu13aTokenizer.Tokenize(text));

    private static BleuScore Score(string hypothesis, string reference) =>
        Bleu.Corpus([hypothesis], [reference]);
}
