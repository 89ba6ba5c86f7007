namespace Transformer.Models.Tests.Word2Vec;

/// <summary>Made-up text whose words belong to topics.</summary>
internal static class TopicText
{
    public static readonly string[][] Topics =
    [
        ["bread", "butter", "cheese", "apple", "soup", "salt", "honey", "plate"],
        ["engine", "wheel", "brake", "road", "driver", "fuel", "tyre", "garage"],
        ["violin", "melody", "concert", "singer", "piano", "rhythm", "choir", "opera"],
    ];

    private static readonly string[] Common = ["the", "and", "of", "with"];

    /// <summary>Each line has words of one topic among common ones.</summary>
    public static string[] Lines(int count, int seed = 4)
    {
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(i => string.Join(' ',
            Enumerable.Range(0, 10).Select(_ => random.Next(3) == 0
                ? Common[random.Next(Common.Length)] : Pick(random, Topics[i % Topics.Length]))))];
    }

    /// <summary>Pairs of words that differ by what stands around them: roles by sex.</summary>
    public static string[] Couples(int count, int seed = 5)
    {
        (string Male, string Female, string[] Around)[] roles =
        [
            ("man", "woman", ["street", "work", "bread"]),
            ("king", "queen", ["crown", "throne", "palace"]),
            ("actor", "actress", ["stage", "theatre", "film"]),
            ("waiter", "waitress", ["menu", "table", "tray"]),
        ];
        string[] male = ["he", "his", "beard", "himself"];
        string[] female = ["she", "her", "dress", "herself"];
        Random random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            (string him, string she, string[] around) = roles[random.Next(roles.Length)];
            bool isMale = random.Next(2) == 0;
            string[] words = isMale ? male : female;
            return string.Join(' ', Pick(random, words), Pick(random, around), isMale ? him : she,
                Pick(random, around), Pick(random, words));
        })];
    }

    private static string Pick(Random random, string[] words) => words[random.Next(words.Length)];
}
