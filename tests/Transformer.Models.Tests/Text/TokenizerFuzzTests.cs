using Transformer.Models.Text;

namespace Transformer.Models.Tests.Text;

/// <summary>Damaged files give a tokenizer that works, or one clear line.</summary>
public sealed class TokenizerFuzzTests : IDisposable
{
    private const int Rounds = 400;

    private static readonly byte[][] Tokens =
    [
        "null"u8.ToArray(), "-1"u8.ToArray(), "1e999"u8.ToArray(), "\"\""u8.ToArray(),
        "[]"u8.ToArray(), "{}"u8.ToArray(), "\"\\ud800\""u8.ToArray(), [0xFF, 0xFE], [0],
        "99999999999"u8.ToArray(), "\n"u8.ToArray(), "true"u8.ToArray(),
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("char")]
    [InlineData("word")]
    [InlineData("bpe")]
    [InlineData("wordpiece")]
    [InlineData("unigram")]
    [InlineData("bytes")]
    public void TokenizerJson(string kind)
    {
        TokenizerKindsTests.Train(kind).Save(_folder["tokenizer.json"]);
        Damage("tokenizer.json", "tokenizer.json");
    }

    [Fact]
    public void VocabularyTxt()
    {
        ((WordPieceTokenizer)TokenizerKindsTests.Train("wordpiece"))
            .SaveVocabulary(_folder["vocab.txt"]);
        Damage("vocab.txt", "vocab.txt");
    }

    [Theory]
    [InlineData("vocab.json")]
    [InlineData("merges.txt")]
    public void Gpt2Files(string damaged)
    {
        ((BytePairTokenizer)TokenizerKindsTests.Train("bpe"))
            .SaveGpt2(_folder["vocab.json"], _folder["merges.txt"]);
        Damage(damaged, "vocab.json");
    }

    private void Damage(string damaged, string opened)
    {
        byte[] whole = File.ReadAllBytes(_folder[damaged]);
        Random random = new(7);
        int refused = 0;
        for (int round = 0; round < Rounds; round++)
        {
            _folder.Write(damaged, Mutate(whole, random));
            try
            {
                Tokenizer tokenizer = Tokenizer.Load(_folder[opened]);
                tokenizer.Decode(tokenizer.Encode("Who's a student? Я студент… 😀"));
            }
            catch (InvalidDataException e)
            {
                refused++;
                Assert.Contains(_folder[""].TrimEnd('/'), e.Message, StringComparison.Ordinal);
                Assert.DoesNotContain('\n', e.Message);
            }
        }
        Assert.True(refused > Rounds / 10, $"{refused} of {Rounds} were refused.");
    }

    private static byte[] Mutate(byte[] whole, Random random)
    {
        List<byte> bytes = [.. whole];
        int place = random.Next(bytes.Count), length = Math.Min(bytes.Count - place, 40);
        switch (random.Next(5))
        {
            case 0:
                return whole[..place];
            case 1:
                bytes[place] = (byte)random.Next(256);
                break;
            case 2:
                bytes.RemoveRange(place, random.Next(1, length + 1));
                break;
            case 3:
                bytes.InsertRange(place, whole.AsSpan(place, random.Next(1, length + 1)));
                break;
            default:
                bytes.RemoveRange(place, random.Next(1, Math.Min(length, 6) + 1));
                bytes.InsertRange(place, Tokens[random.Next(Tokens.Length)]);
                break;
        }
        return [.. bytes];
    }
}
