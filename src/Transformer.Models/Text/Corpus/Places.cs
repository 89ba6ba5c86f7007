using static Transformer.Models.Text.Corpus.Gender;

namespace Transformer.Models.Text.Corpus;

/// <summary>Places.</summary>
internal static class Places
{
    private const string Buildings = "new old big small beautiful";

    public static Noun House { get; } = new("house", "houses", Masculine,
        "дом дома дому дом домом доме", "дома домов домам дома домами домах",
        "new old big small beautiful red blue");

    public static Noun Room { get; } = new("room", "rooms", Feminine,
        "комната комнаты комнате комнату комнатой комнате",
        "комнаты комнат комнатам комнаты комнатами комнатах", Buildings);

    public static Noun Kitchen { get; } = new("kitchen", "kitchens", Feminine,
        "кухня кухни кухне кухню кухней кухне",
        "кухни кухонь кухням кухни кухнями кухнях", Buildings) { TakesNa = true };

    public static Noun City { get; } = new("city", "cities", Masculine,
        "город города городу город городом городе",
        "города городов городам города городами городах", Buildings);

    public static Noun School { get; } = new("school", "schools", Feminine,
        "школа школы школе школу школой школе",
        "школы школ школам школы школами школах", Buildings);

    public static Noun Hospital { get; } = new("hospital", "hospitals", Feminine,
        "больница больницы больнице больницу больницей больнице",
        "больницы больниц больницам больницы больницами больницах", Buildings);

    public static Noun Shop { get; } = new("shop", "shops", Masculine,
        "магазин магазина магазину магазин магазином магазине",
        "магазины магазинов магазинам магазины магазинами магазинах", Buildings);

    public static Noun Library { get; } = new("library", "libraries", Feminine,
        "библиотека библиотеки библиотеке библиотеку библиотекой библиотеке",
        "библиотеки библиотек библиотекам библиотеки библиотеками библиотеках", Buildings);

    public static Noun Factory { get; } = new("factory", "factories", Masculine,
        "завод завода заводу завод заводом заводе",
        "заводы заводов заводам заводы заводами заводах", "new old big")
    {
        TakesNa = true,
        At = "at",
    };

    public static Noun Park { get; } = new("park", "parks", Masculine,
        "парк парка парку парк парком парке",
        "парки парков паркам парки парками парках", Buildings);

    public static Noun Garden { get; } = new("garden", "gardens", Masculine,
        "сад сада саду сад садом саду",
        "сады садов садам сады садами садах", "old big small beautiful");

    public static Noun Yard { get; } = new("yard", "yards", Masculine,
        "двор двора двору двор двором дворе",
        "дворы дворов дворам дворы дворами дворах", "old big small");

    public static Noun Forest { get; } = new("forest", "forests", Masculine,
        "лес леса лесу лес лесом лесу",
        "леса лесов лесам леса лесами лесах", "old big beautiful");

    /// <summary>Rooms and grounds where things and animals are.</summary>
    public static IReadOnlyList<Noun> Rooms { get; } = [Room, Kitchen, House];

    public static IReadOnlyList<Noun> Grounds { get; } = [Garden, Yard, House, Room];

    /// <summary>Where people go on foot.</summary>
    public static IReadOnlyList<Noun> Destinations { get; } =
    [
        School, Hospital, Shop, Library, Factory, Park, Garden, Forest,
    ];

    /// <summary>Places that are described and liked.</summary>
    public static IReadOnlyList<Noun> Sights { get; } =
        [House, Room, City, School, Shop, Park, Garden];

    /// <summary>Places that take a possessive.</summary>
    public static IReadOnlySet<Noun> Homes { get; } =
        new HashSet<Noun> { House, Room };
}
