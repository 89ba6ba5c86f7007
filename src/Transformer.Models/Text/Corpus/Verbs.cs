namespace Transformer.Models.Text.Corpus;

/// <summary>The verbs of the corpus with their objects and places.</summary>
internal static class Verbs
{
    public static Verb Buy { get; } = new("buy buys bought buying", "покупать",
        "покупаю покупаешь покупает покупаем покупаете покупают",
        "покупал покупала покупало покупали")
    {
        PerfectiveInfinitive = "купить",
        PerfectivePast = new("купил купила купило купили"),
    };

    private static readonly Verb s_see = new("see sees saw seeing", "видеть",
        "вижу видишь видит видим видите видят", "видел видела видело видели")
    {
        PerfectiveInfinitive = "увидеть",
        PerfectivePast = new("увидел увидела увидело увидели"),
        IsContinuous = false,
    };

    /// <summary>Verbs that take a thing as object, each with what makes sense there.</summary>
    public static IReadOnlyList<(Verb Verb, IReadOnlyList<Noun> Objects)> Actions { get; } =
    [
        (new("read reads read reading", "читать",
            "читаю читаешь читает читаем читаете читают", "читал читала читало читали")
        {
            PerfectiveInfinitive = "прочитать",
            PerfectivePast = new("прочитал прочитала прочитало прочитали"),
        }, Things.Readings),
        (new("write writes wrote writing", "писать",
            "пишу пишешь пишет пишем пишете пишут", "писал писала писало писали")
        {
            PerfectiveInfinitive = "написать",
            PerfectivePast = new("написал написала написало написали"),
            IsCreation = true,
        }, Things.Writings),
        (new("drink drinks drank drinking", "пить",
            "пью пьёшь пьёт пьём пьёте пьют", "пил пила пило пили")
        {
            PerfectiveInfinitive = "выпить",
            PerfectivePast = new("выпил выпила выпило выпили"),
        }, Things.Drinks),
        (new("eat eats ate eating", "есть",
            "ем ешь ест едим едите едят", "ел ела ело ели")
        {
            PerfectiveInfinitive = "съесть",
            PerfectivePast = new("съел съела съело съели"),
        }, Things.Foods),
        (new("cook cooks cooked cooking", "готовить",
            "готовлю готовишь готовит готовим готовите готовят",
            "готовил готовила готовило готовили")
        {
            PerfectiveInfinitive = "приготовить",
            PerfectivePast = new("приготовил приготовила приготовило приготовили"),
            IsCreation = true,
            SuitsChildren = false,
        }, [Things.Soup, Things.Fish]),
        (Buy, [.. Things.Groceries, .. Things.Belongings]),
        (s_see, [.. Things.Belongings, .. Things.Animals, Places.House, Things.Window]),
        (new("draw draws drew drawing", "рисовать",
            "рисую рисуешь рисует рисуем рисуете рисуют", "рисовал рисовала рисовало рисовали")
        {
            PerfectiveInfinitive = "нарисовать",
            PerfectivePast = new("нарисовал нарисовала нарисовало нарисовали"),
        }, [Things.Flower, Places.House, Places.Garden, Things.Car, .. Things.Animals]),
        (new("open opens opened opening", "открывать",
            "открываю открываешь открывает открываем открываете открывают",
            "открывал открывала открывало открывали")
        {
            PerfectiveInfinitive = "открыть",
            PerfectivePast = new("открыл открыла открыло открыли"),
            IsLasting = false,
        }, Things.Openings),
    ];

    /// <summary>Verbs that take a person as object.</summary>
    public static IReadOnlyList<Verb> Feelings { get; } =
    [
        new("love loves loved loving", "любить",
            "люблю любишь любит любим любите любят", "любил любила любило любили")
        {
            IsContinuous = false,
        },
        new("know knows knew knowing", "знать",
            "знаю знаешь знает знаем знаете знают", "знал знала знало знали")
        {
            IsContinuous = false,
        },
        s_see,
        new("wait_for waits_for waited_for waiting_for", "ждать",
            "жду ждёшь ждёт ждём ждёте ждут", "ждал ждала ждало ждали"),
    ];

    public static Verb Help { get; } = new("help helps helped helping", "помогать",
        "помогаю помогаешь помогает помогаем помогаете помогают",
        "помогал помогала помогало помогали");

    /// <summary>Verbs that take a person and a thing.</summary>
    public static IReadOnlyList<Verb> Transfers { get; } =
    [
        new("give gives gave giving", "давать",
            "даю даёшь даёт даём даёте дают", "давал давала давало давали")
        {
            PerfectiveInfinitive = "дать",
            PerfectivePast = new("дал дала дало дали"),
        },
        new("show shows showed showing", "показывать",
            "показываю показываешь показывает показываем показываете показывают",
            "показывал показывала показывало показывали")
        {
            PerfectiveInfinitive = "показать",
            PerfectivePast = new("показал показала показало показали"),
        },
    ];

    /// <summary>Verbs without object, each with the places where it is done.</summary>
    public static IReadOnlyList<(Verb Verb, IReadOnlyList<Noun> Places)> Activities { get; } =
    [
        (new("live lives lived living", "жить",
            "живу живёшь живёт живём живёте живут", "жил жила жило жили")
        {
            IsContinuous = false,
        }, [Places.House, Places.City]),
        (new("work works worked working", "работать",
            "работаю работаешь работает работаем работаете работают",
            "работал работала работало работали")
        {
            SuitsChildren = false,
        },
        [
            Places.School, Places.Hospital, Places.Shop, Places.Library, Places.Factory,
            Places.Kitchen,
        ]),
        (new("sleep sleeps slept sleeping", "спать",
            "сплю спишь спит спим спите спят", "спал спала спало спали")
        {
            HasCompany = false,
        }, [Places.Room, Places.House]),
        (new("play plays played playing", "играть",
            "играю играешь играет играем играете играют", "играл играла играло играли"),
            [Places.Park, Places.Garden, Places.Yard, Places.Room]),
        (new("walk walks walked walking", "гулять",
            "гуляю гуляешь гуляет гуляем гуляете гуляют", "гулял гуляла гуляло гуляли"),
            [Places.Park, Places.Garden, Places.Forest, Places.City]),
    ];

    /// <summary>Going often and both ways: the simple tenses of "go".</summary>
    public static Verb GoOften { get; } = new("go goes went going", "ходить",
        "хожу ходишь ходит ходим ходите ходят", "ходил ходила ходило ходили");

    /// <summary>Being on the way: "is going".</summary>
    public static Verb GoNow { get; } = new("go goes went going", "идти",
        "иду идёшь идёт идём идёте идут", "шёл шла шло шли");

    /// <summary>"will go"; the perfective future has the endings of a present.</summary>
    public static Verb SetOff { get; } = new("go goes went going", "пойти",
        "пойду пойдёшь пойдёт пойдём пойдёте пойдут", "пошёл пошла пошло пошли");

    public static Verb Want { get; } = new("want wants wanted wanting", "хотеть",
        "хочу хочешь хочет хотим хотите хотят", "хотел хотела хотело хотели");

    /// <summary>The future of "be"; the Russian present is left out.</summary>
    public static Verb Be { get; } = new("be is was being", "быть",
        "буду будешь будет будем будете будут", "был была было были");
}
