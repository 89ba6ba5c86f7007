using Transformer.Models.Text;
using Transformer.Models.Text.Corpus;

namespace Transformer.Models.Tests.Text.Corpus;

/// <summary>Sentences of every template, translated by hand and looked up in the corpus.</summary>
public sealed class CorpusTranslationTests
{
    private static readonly Lazy<Dictionary<string, string>> s_corpus = new(() =>
    {
        Dictionary<string, string> translations = new(StringComparer.Ordinal);
        foreach (EnglishRussianCorpus corpus in (EnglishRussianCorpus[])
            [EnglishRussianCorpus.Generate(), EnglishRussianCorpus.Generate(100_000, seed: 1)])
        {
            foreach (SentencePair pair in
                corpus.Training.Concat(corpus.Validation).Concat(corpus.Test))
            {
                translations[pair.Source] = pair.Target;
            }
        }
        return translations;
    });

    [Theory]
    [InlineData("I am a student", "Я студент")]
    [InlineData("She is a student", "Она студентка")]
    [InlineData("I am a teacher", "Я учитель")]
    [InlineData("She is a doctor", "Она врач")]
    [InlineData("Is your sister a good teacher?", "Твоя сестра — хорошая учительница?")]
    [InlineData("You all are not writers", "Вы все не писатели")]
    [InlineData("Our son is a young doctor", "Наш сын — молодой врач")]
    [InlineData("Their daughter is an artist", "Их дочь — художница")]
    [InlineData("His brother was a doctor", "Его брат был врачом")]
    [InlineData("Your mother was a student", "Твоя мать была студенткой")]
    [InlineData("We will be artists", "Мы будем художниками")]
    [InlineData("This girl is eight years old", "Этой девочке восемь лет")]
    [InlineData("Our brother is three years old", "Нашему брату три года")]
    public void Occupation_and_age(string english, string russian) => Check(english, russian);

    [Theory]
    [InlineData("My father is opening a small box now",
        "Сейчас мой отец открывает маленькую коробку")]
    [InlineData("This young teacher reads a newspaper", "Этот молодой учитель читает газету")]
    [InlineData("You open your door every day", "Каждый день ты открываешь свою дверь")]
    [InlineData("They are buying bags now", "Сейчас они покупают сумки")]
    [InlineData("You all do not drink milk", "Вы все не пьёте молоко")]
    [InlineData("The students do not read an old letter", "Студенты не читают старое письмо")]
    [InlineData("Is he drawing our old horse?", "Он рисует нашу старую лошадь?")]
    [InlineData("Does her son drink hot water?", "Её сын пьёт горячую воду?")]
    [InlineData("Our mother ate cheese yesterday", "Вчера наша мать съела сыр")]
    [InlineData("We wrote a book yesterday", "Вчера мы написали книгу")]
    [InlineData("They were drawing my cat", "Они рисовали мою кошку")]
    [InlineData("The engineer was writing books", "Инженер писал книги")]
    [InlineData("He will be buying fish tomorrow", "Завтра он будет покупать рыбу")]
    [InlineData("We will be drawing a big house tomorrow", "Завтра мы будем рисовать большой дом")]
    [InlineData("She wants to open a bag", "Она хочет открыть сумку")]
    [InlineData("You all want to see horses", "Вы все хотите увидеть лошадей")]
    [InlineData("The children want to draw a red flower", "Дети хотят нарисовать красный цветок")]
    [InlineData("The man is drinking coffee without milk", "Мужчина пьёт кофе без молока")]
    [InlineData("They eat soup with cheese", "Они едят суп с сыром")]
    [InlineData("She eats bread without fish", "Она ест хлеб без рыбы")]
    [InlineData("She opens a window and his friend writes a book",
        "Она открывает окно, а его друг пишет книгу")]
    [InlineData("You all open a bag and he eats cheese", "Вы все открываете сумку, а он ест сыр")]
    public void Actions(string english, string russian) => Check(english, russian);

    [Theory]
    [InlineData("Is she waiting for this doctor?", "Она ждёт этого врача?")]
    [InlineData("I do not love you", "Я не люблю тебя")]
    [InlineData("She knows your old friend", "Она знает твоего старого друга")]
    [InlineData("He is waiting for our friends", "Он ждёт наших друзей")]
    [InlineData("Do you all love your daughter?", "Вы все любите свою дочь?")]
    [InlineData("His friend helps me every day", "Каждый день его друг помогает мне")]
    [InlineData("He helps your brother", "Он помогает твоему брату")]
    [InlineData("You all were helping our mother", "Вы все помогали нашей матери")]
    [InlineData("I give the doctor a book", "Я даю врачу книгу")]
    [InlineData("His daughter shows my brother a picture",
        "Его дочь показывает моему брату картину")]
    [InlineData("The student showed this engineer an apple yesterday",
        "Вчера студент показал этому инженеру яблоко")]
    public void People_as_objects(string english, string russian) => Check(english, russian);

    [Theory]
    [InlineData("They play in an old yard", "Они играют в старом дворе")]
    [InlineData("Our small son is playing in the yard", "Наш маленький сын играет во дворе")]
    [InlineData("My mother works at the factory", "Моя мать работает на заводе")]
    [InlineData("These students lived in the city", "Эти студенты жили в городе")]
    [InlineData("Our mother is working in the library with my friend",
        "Наша мать работает в библиотеке с моим другом")]
    [InlineData("Where is he playing?", "Где он играет?")]
    [InlineData("Where does his son live?", "Где живёт его сын?")]
    [InlineData("Our brother went to the garden yesterday", "Вчера наш брат ходил в сад")]
    [InlineData("The child is going to the big hospital now",
        "Сейчас ребёнок идёт в большую больницу")]
    [InlineData("Her daughter will go to the forest tomorrow", "Завтра её дочь пойдёт в лес")]
    [InlineData("She goes to the new factory every day", "Каждый день она ходит на новый завод")]
    [InlineData("Their cup was on the table", "Их чашка была на столе")]
    [InlineData("This bag is not on the chair", "Эта сумка не на стуле")]
    [InlineData("Our cat is in the house", "Наша кошка в доме")]
    [InlineData("Where are these apples?", "Где эти яблоки?")]
    [InlineData("Where is our old book?", "Где наша старая книга?")]
    [InlineData("There is a letter in the bag", "В сумке лежит письмо")]
    [InlineData("There is no old phone in the bag", "В сумке нет старого телефона")]
    [InlineData("There are three new letters on the chair", "На стуле лежат три новых письма")]
    [InlineData("There are six small keys on the chair", "На стуле лежит шесть маленьких ключей")]
    [InlineData("There are three lamps in the kitchen", "На кухне стоят три лампы")]
    public void Places_and_motion(string english, string russian) => Check(english, russian);

    [Theory]
    [InlineData("Our friend has a horse", "У нашего друга есть лошадь")]
    [InlineData("The man does not have a small car", "У мужчины нет маленькой машины")]
    [InlineData("She does not have a bag", "У неё нет сумки")]
    [InlineData("We had a lamp", "У нас была лампа")]
    [InlineData("Their son will have a chair", "У их сына будет стул")]
    [InlineData("Does he have a blue lamp?", "У него есть синяя лампа?")]
    [InlineData("They have three bags", "У них есть три сумки")]
    [InlineData("This woman has seven cars", "У этой женщины есть семь машин")]
    [InlineData("I do not like her flower", "Мне не нравится её цветок")]
    [InlineData("This man likes these horses", "Этому мужчине нравятся эти лошади")]
    [InlineData("Your sister likes hot coffee", "Твоей сестре нравится горячий кофе")]
    [InlineData("These schools are old", "Эти школы старые")]
    [InlineData("The garden is not very small", "Сад не очень маленький")]
    [InlineData("The dress is beautiful", "Платье красивое")]
    [InlineData("The picture was interesting", "Картина была интересной")]
    [InlineData("Is the garden beautiful?", "Сад красивый?")]
    [InlineData("Are these your cats?", "Это твои кошки?")]
    [InlineData("This is our old chair", "Это наш старый стул")]
    public void Possession_and_description(string english, string russian) =>
        Check(english, russian);

    private static void Check(string english, string russian)
    {
        Assert.True(s_corpus.Value.TryGetValue(english, out string? actual), english);
        Assert.Equal(russian, actual);
    }
}
