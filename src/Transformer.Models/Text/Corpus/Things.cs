using static Transformer.Models.Text.Corpus.Gender;

namespace Transformer.Models.Text.Corpus;

/// <summary>Things and animals, and what one does with them.</summary>
internal static class Things
{
    private const string Goods = "new old big small beautiful red blue";
    private const string Fresh = "fresh good";

    private static readonly Noun s_book = new("book", "books", Feminine,
        "книга книги книге книгу книгой книге", "книги книг книгам книги книгами книгах",
        "new old interesting good");

    private static readonly Noun s_newspaper = new("newspaper", "newspapers", Feminine,
        "газета газеты газете газету газетой газете",
        "газеты газет газетам газеты газетами газетах", "new old interesting");

    private static readonly Noun s_letter = new("letter", "letters", Neuter,
        "письмо письма письму письмо письмом письме",
        "письма писем письмам письма письмами письмах", "new old interesting");

    private static readonly Noun s_tea = new("tea", null, Masculine,
        "чай чая чаю чай чаем чае", null, "hot cold good");

    private static readonly Noun s_coffee = new("coffee", null, Masculine,
        "кофе кофе кофе кофе кофе кофе", null, "hot cold good");

    private static readonly Noun s_milk = new("milk", null, Neuter,
        "молоко молока молоку молоко молоком молоке", null, "cold fresh");

    private static readonly Noun s_water = new("water", null, Feminine,
        "вода воды воде воду водой воде", null, "hot cold");

    private static readonly Noun s_juice = new("juice", null, Masculine,
        "сок сока соку сок соком соке", null, "cold fresh");

    private static readonly Noun s_bread = new("bread", null, Masculine,
        "хлеб хлеба хлебу хлеб хлебом хлебе", null, Fresh);

    public static Noun Soup { get; } = new("soup", null, Masculine,
        "суп супа супу суп супом супе", null, "hot cold good");

    public static Noun Fish { get; } = new("fish", null, Feminine,
        "рыба рыбы рыбе рыбу рыбой рыбе", null, Fresh);

    private static readonly Noun s_cheese = new("cheese", null, Masculine,
        "сыр сыра сыру сыр сыром сыре", null, Fresh);

    private static readonly Noun s_butter = new("butter", null, Neuter,
        "масло масла маслу масло маслом масле", null, Fresh);

    private static readonly Noun s_sugar = new("sugar", null, Masculine,
        "сахар сахара сахару сахар сахаром сахаре", null, "good");

    private static readonly Noun s_honey = new("honey", null, Masculine,
        "мёд мёда мёду мёд мёдом мёде", null, "good");

    private static readonly Noun s_apple = new("apple", "apples", Neuter,
        "яблоко яблока яблоку яблоко яблоком яблоке",
        "яблоки яблок яблокам яблоки яблоками яблоках", "big small red fresh");

    public static Noun Car { get; } = new("car", "cars", Feminine,
        "машина машины машине машину машиной машине",
        "машины машин машинам машины машинами машинах", Goods) { Lies = false };

    private static readonly Noun s_picture = new("picture", "pictures", Feminine,
        "картина картины картине картину картиной картине",
        "картины картин картинам картины картинами картинах",
        "new old big small beautiful interesting");

    private static readonly Noun s_dress = new("dress", "dresses", Neuter,
        "платье платья платью платье платьем платье",
        "платья платьев платьям платья платьями платьях", "new old beautiful red blue");

    private static readonly Noun s_bag = new("bag", "bags", Feminine,
        "сумка сумки сумке сумку сумкой сумке",
        "сумки сумок сумкам сумки сумками сумках", Goods);

    public static Noun Flower { get; } = new("flower", "flowers", Masculine,
        "цветок цветка цветку цветок цветком цветке",
        "цветы цветов цветам цветы цветами цветах", "big small beautiful red blue");

    private static readonly Noun s_key = new("key", "keys", Masculine,
        "ключ ключа ключу ключ ключом ключе",
        "ключи ключей ключам ключи ключами ключах", "new old big small");

    private static readonly Noun s_phone = new("phone", "phones", Masculine,
        "телефон телефона телефону телефон телефоном телефоне",
        "телефоны телефонов телефонам телефоны телефонами телефонах",
        "new old red blue");

    private static readonly Noun s_lamp = new("lamp", "lamps", Feminine,
        "лампа лампы лампе лампу лампой лампе",
        "лампы ламп лампам лампы лампами лампах", Goods) { Lies = false };

    private static readonly Noun s_cup = new("cup", "cups", Feminine,
        "чашка чашки чашке чашку чашкой чашке",
        "чашки чашек чашкам чашки чашками чашках", Goods) { Lies = false };

    private static readonly Noun s_table = new("table", "tables", Masculine,
        "стол стола столу стол столом столе",
        "столы столов столам столы столами столах", "new old big small")
    {
        Lies = false,
        TakesNa = true,
        At = "on",
    };

    private static readonly Noun s_chair = new("chair", "chairs", Masculine,
        "стул стула стулу стул стулом стуле",
        "стулья стульев стульям стулья стульями стульях", "new old red blue")
    {
        Lies = false,
        TakesNa = true,
        At = "on",
    };

    private static readonly Noun s_box = new("box", "boxes", Feminine,
        "коробка коробки коробке коробку коробкой коробке",
        "коробки коробок коробкам коробки коробками коробках", "new old big small red blue");

    public static Noun Window { get; } = new("window", "windows", Neuter,
        "окно окна окну окно окном окне",
        "окна окон окнам окна окнами окнах", "new old big small");

    public static Noun Door { get; } = new("door", "doors", Feminine,
        "дверь двери двери дверь дверью двери",
        "двери дверей дверям двери дверями дверях", "new old big small red blue");

    private static readonly Noun s_cat = new("cat", "cats", Feminine,
        "кошка кошки кошке кошку кошкой кошке",
        "кошки кошек кошкам кошек кошками кошках", "old big small beautiful")
    {
        IsAnimate = true,
    };

    private static readonly Noun s_dog = new("dog", "dogs", Feminine,
        "собака собаки собаке собаку собакой собаке",
        "собаки собак собакам собак собаками собаках", "old big small beautiful good")
    {
        IsAnimate = true,
    };

    private static readonly Noun s_horse = new("horse", "horses", Feminine,
        "лошадь лошади лошади лошадь лошадью лошади",
        "лошади лошадей лошадям лошадей лошадьми лошадях", "old big young beautiful good")
    {
        IsAnimate = true,
    };

    /// <summary>What is read; all but the newspaper is also written.</summary>
    public static IReadOnlyList<Noun> Readings { get; } =
        [s_book, s_newspaper, s_letter];

    public static IReadOnlyList<Noun> Writings { get; } = [s_book, s_letter];

    public static IReadOnlyList<Noun> Drinks { get; } =
        [s_tea, s_coffee, s_milk, s_water, s_juice];

    public static IReadOnlyList<Noun> Foods { get; } =
        [s_bread, Soup, Fish, s_cheese, s_apple];

    /// <summary>What is bought day by day.</summary>
    public static IReadOnlyList<Noun> Groceries { get; } =
        [s_bread, Fish, s_cheese, s_milk, s_apple, s_newspaper, Flower];

    /// <summary>What people own, buy and see.</summary>
    public static IReadOnlyList<Noun> Belongings { get; } =
    [
        s_book, Car, s_picture, s_dress, s_bag, Flower, s_key, s_phone, s_lamp, s_cup,
        s_table, s_chair, s_box,
    ];

    /// <summary>What is given and shown.</summary>
    public static IReadOnlyList<Noun> Gifts { get; } =
        [s_book, s_letter, s_apple, Flower, s_key, s_phone, s_picture, s_cup, s_bag];

    public static IReadOnlyList<Noun> Animals { get; } = [s_cat, s_dog, s_horse];

    /// <summary>What children do not buy.</summary>
    public static IReadOnlySet<Noun> Household { get; } =
        new HashSet<Noun> { Car, s_picture, s_lamp, s_table, s_chair };

    public static IReadOnlyList<Noun> Openings { get; } = [Window, Door, s_bag, s_box];

    public static IReadOnlyList<Noun> Furniture { get; } = [s_table, s_chair, s_lamp];

    /// <summary>Small things that are put on furniture.</summary>
    public static IReadOnlyList<Noun> SmallThings { get; } =
    [
        s_book, s_newspaper, s_letter, s_key, s_phone, s_apple, s_bag, s_cup, s_lamp,
    ];

    /// <summary>Small things that are put into a bag or a box.</summary>
    public static IReadOnlyList<Noun> TinyThings { get; } =
        [s_book, s_newspaper, s_letter, s_key, s_phone, s_apple];

    public static IReadOnlyList<Noun> Surfaces { get; } = [s_table, s_chair];

    public static IReadOnlyList<Noun> Containers { get; } = [s_bag, s_box];

    /// <summary>What a drink or a dish is taken with or without.</summary>
    public static IReadOnlyList<(Noun Dish, IReadOnlyList<Noun> Additions)> Servings { get; } =
    [
        (s_tea, [s_milk, s_sugar, s_honey]),
        (s_coffee, [s_milk, s_sugar]),
        (s_milk, [s_sugar, s_honey]),
        (s_water, [s_sugar, s_honey]),
        (s_bread, [s_butter, s_cheese, s_honey, Fish]),
        (Soup, [Fish, s_cheese, s_bread]),
        (Fish, [s_bread, s_butter]),
    ];
}
