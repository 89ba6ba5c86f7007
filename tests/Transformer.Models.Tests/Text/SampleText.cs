namespace Transformer.Models.Tests.Text;

/// <summary>Training text of the tokenizer tests.</summary>
internal static class SampleText
{
    public static string[] Lines { get; } =
    [
        "I am a student.",
        "You aren't a student, are you?",
        "The student's well-known teacher reads: \"I am here!\"",
        "Я студент, а ты учитель.",
        "Мы читаем (очень медленно) «Войну и мир».",
        "Москва — столица; здесь живёт 12,655.05 тысяч людей.",
        "Он пришёл в 10:30, потом ушёл…",
        "Who's there? It's me: the dogs' owner.",
        "Wait... and/or 50% of $5 #1!",
        "Кто-то сказал: „Да“, и [всё].",
        "She said \"yes\", he said \"no\".",
    ];
}
