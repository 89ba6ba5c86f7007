using System.Text;
using Transformer.Models.Generation;
using Transformer.Models.Text;

namespace Transformer.Models.Tests.Models;

/// <summary>Text that comes token by token: no half characters, nothing of a stop string.
/// </summary>
public sealed class TokenStreamTests
{
    [Theory]
    [InlineData("xaab yes", "xa", true, "ab")]
    [InlineData("aaaab", "aaa", true, "ab")]
    [InlineData("ababac-", "ab", true, "abac")]
    [InlineData("abab", "abab", false, "abac")]
    [InlineData("one. two. ", "one", true, ". two", ". ")]
    [InlineData("one. two", "one", true, ".")]
    [InlineData("none", "none", false)]
    public void StopsBeforeTheFirstStop(
        string text, string expected, bool stopped, params string[] stops)
    {
        CharacterTokenizer tokenizer = CharacterTokenizer.Train(["abcxyesontw .-"]);
        TokenStream stream = new(tokenizer, stops);
        StringBuilder written = new();
        foreach (int token in tokenizer.Encode(text))
        {
            written.Append(stream.Add(token));

            // What is out is part of the result already: nothing is taken back.
            Assert.StartsWith(written.ToString(), expected, StringComparison.Ordinal);
        }

        written.Append(stream.Finish());
        Assert.Equal(expected, written.ToString());
        Assert.Equal(stopped, stream.Stopped);
    }
}
