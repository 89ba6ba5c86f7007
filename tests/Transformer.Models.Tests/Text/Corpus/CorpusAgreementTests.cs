using Transformer.Models.Text.Corpus;

namespace Transformer.Models.Tests.Text.Corpus;

/// <summary>Agreement in the Russian text, checked by endings, without the tables of the
/// grammar.</summary>
public sealed class CorpusAgreementTests
{
    private static readonly string[] s_adjectiveStems =
    [
        "нов", "стар", "молод", "хорош", "больш", "маленьк", "красив", "интересн", "красн", "син",
        "горяч", "холодн", "свеж",
    ];

    private static readonly string[] s_determinerStems = ["мо", "тво", "сво", "наш", "эт"];

    private static readonly EnglishRussianCorpus s_corpus = EnglishRussianCorpus.Generate();

    /// <summary>Nouns whose form shows gender, number and case, with the endings of adjective
    /// and determiner that must stand before them.</summary>
    private static readonly (string Nouns, string Adjective, string Determiner)[] s_forms =
    [
        ("книга машина лампа кошка девочка сестра школа сумка рыба вода", "ая яя", "я а"),
        ("книгу машину лампу кошку девочку сестру школу сумку рыбу воду", "ую юю", "ю у"),
        ("книгой девочкой сестрой дочерью матерью учительницей комнате школе", "ой ей", "ей ой"),
        ("стол стул цветок ключ телефон дом город завод мальчик врач учитель друг чай суп сад",
            "ый ий ой", "й от наш"),
        ("студента мальчика врача инженера художника друга брата отца сына", "ого его",
            "его ого"),
        ("врачу учителю инженеру брату отцу сыну другу студенту", "ому ему", "ему ому"),
        ("братом отцом сыном другом врачом студентом инженером", "ым им", "им"),
        ("дворе парке магазине заводе доме", "ом ем", "ём ем ом"),
        ("саду лесу", "ом ем", "ём ем ом"),
        ("письмо окно яблоко платье молоко", "ое ее", "ё о е"),
        ("цветы ключи столы стулья студенты мальчики дети друзья", "ые ие", "и"),
        ("столов стульев цветов ключей домов машин ламп сумок кошек собак детей студентов друзей",
            "ых их", "их"),
    ];

    [Fact]
    public void Adjective_agrees_with_its_noun() =>
        CheckBeforeNouns(IsAdjective, form => form.Adjective, minimum: 3000);

    [Fact]
    public void Determiner_agrees_with_its_noun() =>
        CheckBeforeNouns(
            word => !IsAdjective(word) && s_determinerStems.Any(word.StartsWith),
            form => form.Determiner, minimum: 3000);

    [Theory]
    [InlineData("я", "у ю ем")]
    [InlineData("ты", "шь")]
    [InlineData("он", "т")]
    [InlineData("она", "т")]
    [InlineData("мы", "м")]
    [InlineData("все", "те")]
    [InlineData("они", "т")]
    public void Present_agrees_with_the_pronoun(string pronoun, string endings) =>
        CheckAfterPronoun(pronoun, endings, ["Present", "Negative", "Question", "Wish", "Future"]);

    [Theory]
    [InlineData("он", "л")]
    [InlineData("она", "ла")]
    [InlineData("мы", "ли")]
    [InlineData("они", "ли")]
    public void Past_agrees_with_the_pronoun(string pronoun, string endings) =>
        CheckAfterPronoun(pronoun, endings, ["Past"]);

    [Theory]
    [InlineData("два", "стола телефона цветка ключа стула яблока письма платья брата друга сына")]
    [InlineData("две", "книги машины сумки лампы чашки картины коробки кошки сестры дочери")]
    [InlineData("четыре", "книги стола машины телефона яблока письма брата сестры")]
    [InlineData("пять", "книг столов машин стульев ключей яблок писем братьев сестёр лошадей")]
    [InlineData("десять", "книг столов машин стульев ключей яблок писем цветов кошек собак")]
    public void Numeral_governs_the_noun(string numeral, string forms)
    {
        string[] expected = forms.Split(' ');
        List<string> counted = [.. Training("HaveCount", "Existence")
            .Where(words => words[^2] == numeral)
            .Select(words => words[^1])];
        Assert.True(counted.Count >= 20, $"{numeral}: {counted.Count} sentences");
        Assert.All(expected, form => Assert.Contains(form, counted));
    }

    private static void CheckBeforeNouns(
        Func<string, bool> isChecked,
        Func<(string, string Adjective, string Determiner), string> endings,
        int minimum)
    {
        Dictionary<string, string[]> allowed = s_forms
            .SelectMany(form => form.Nouns.Split(' ').Select(noun => (noun, endings(form))))
            .ToDictionary(entry => entry.noun, entry => entry.Item2.Split(' '));
        int checks = 0;
        foreach (string[] words in Training())
        {
            for (int i = 1; i < words.Length; i++)
            {
                string before = words[i - 1];
                if (!allowed.TryGetValue(words[i], out string[]? suffixes) ||
                    !isChecked(before) || IsAfterPaucal(words, i))
                {
                    continue;
                }
                Assert.True(suffixes.Any(before.EndsWith), string.Join(' ', words));
                checks++;
            }
        }
        Assert.True(checks >= minimum, $"only {checks} phrases were checked");
    }

    private static bool IsAdjective(string word) => s_adjectiveStems.Any(word.StartsWith);

    /// <summary>"Два новых стола": there the adjective does not agree in number.</summary>
    private static bool IsAfterPaucal(string[] words, int noun) =>
        noun >= 2 && words[noun - 2] is "два" or "две" or "три" or "четыре";

    private static void CheckAfterPronoun(string pronoun, string endings, string[] templates)
    {
        string[] suffixes = endings.Split(' ');
        int checks = 0;
        foreach (string[] words in Training(templates))
        {
            int at = Array.IndexOf(words, pronoun);
            if (at < 0) continue;
            string verb = words[at + 1] == "не" ? words[at + 2] : words[at + 1];
            Assert.True(suffixes.Any(verb.EndsWith), string.Join(' ', words));
            checks++;
        }
        Assert.True(checks >= 50, $"{pronoun}: only {checks} sentences were checked");
    }

    /// <summary>Russian words, in lower case, of the templates named or of all.</summary>
    private static IEnumerable<string[]> Training(params string[] templates) =>
        s_corpus.TrainingSentences
            .Where(sentence => templates.Length == 0 || templates.Contains(sentence.Template))
            .Select(sentence => CorpusSentence.WordsOf(sentence.Pair.Target.ToLowerInvariant()));
}
