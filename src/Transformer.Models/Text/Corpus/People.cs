using static Transformer.Models.Text.Corpus.Gender;

namespace Transformer.Models.Text.Corpus;

/// <summary>People by kinship and occupation.</summary>
internal static class People
{
    private const string Ages = "young old";
    private const string Skills = "young good";

    private static Noun Person(
        string english,
        string englishPlural,
        Gender gender,
        string singular,
        string plural,
        string adjectives,
        Noun? female = null) =>
        new(english, englishPlural, gender, singular, plural, adjectives)
        {
            IsAnimate = true,
            Female = female,
        };

    private static readonly Noun s_boy = Person("boy", "boys", Masculine,
        "мальчик мальчика мальчику мальчика мальчиком мальчике",
        "мальчики мальчиков мальчикам мальчиков мальчиками мальчиках", "small good");

    private static readonly Noun s_girl = Person("girl", "girls", Feminine,
        "девочка девочки девочке девочку девочкой девочке",
        "девочки девочек девочкам девочек девочками девочках", "small good beautiful");

    private static readonly Noun s_child = Person("child", "children", Masculine,
        "ребёнок ребёнка ребёнку ребёнка ребёнком ребёнке",
        "дети детей детям детей детьми детях", "small good");

    private static readonly Noun s_man = Person("man", "men", Masculine,
        "мужчина мужчины мужчине мужчину мужчиной мужчине",
        "мужчины мужчин мужчинам мужчин мужчинами мужчинах", Ages);

    private static readonly Noun s_woman = Person("woman", "women", Feminine,
        "женщина женщины женщине женщину женщиной женщине",
        "женщины женщин женщинам женщин женщинами женщинах", "young old beautiful");

    private static readonly Noun s_student = Person("student", "students", Masculine,
        "студент студента студенту студента студентом студенте",
        "студенты студентов студентам студентов студентами студентах", Skills,
        Person("student", "students", Feminine,
            "студентка студентки студентке студентку студенткой студентке",
            "студентки студенток студенткам студенток студентками студентках", Skills));

    private static readonly Noun s_teacher = Person("teacher", "teachers", Masculine,
        "учитель учителя учителю учителя учителем учителе",
        "учителя учителей учителям учителей учителями учителях", Skills,
        Person("teacher", "teachers", Feminine,
            "учительница учительницы учительнице учительницу учительницей учительнице",
            "учительницы учительниц учительницам учительниц учительницами учительницах",
            Skills));

    private static readonly Noun s_doctor = Person("doctor", "doctors", Masculine,
        "врач врача врачу врача врачом враче",
        "врачи врачей врачам врачей врачами врачах", Skills);

    private static readonly Noun s_engineer = Person("engineer", "engineers", Masculine,
        "инженер инженера инженеру инженера инженером инженере",
        "инженеры инженеров инженерам инженеров инженерами инженерах", Skills);

    private static readonly Noun s_writer = Person("writer", "writers", Masculine,
        "писатель писателя писателю писателя писателем писателе",
        "писатели писателей писателям писателей писателями писателях", Skills,
        Person("writer", "writers", Feminine,
            "писательница писательницы писательнице писательницу писательницей писательнице",
            "писательницы писательниц писательницам писательниц писательницами писательницах",
            Skills));

    private static readonly Noun s_artist = Person("artist", "artists", Masculine,
        "художник художника художнику художника художником художнике",
        "художники художников художникам художников художниками художниках", Skills,
        Person("artist", "artists", Feminine,
            "художница художницы художнице художницу художницей художнице",
            "художницы художниц художницам художниц художницами художницах", Skills));

    private static readonly Noun s_brother = Person("brother", "brothers", Masculine,
        "брат брата брату брата братом брате",
        "братья братьев братьям братьев братьями братьях", "small");

    private static readonly Noun s_sister = Person("sister", "sisters", Feminine,
        "сестра сестры сестре сестру сестрой сестре",
        "сёстры сестёр сёстрам сестёр сёстрами сёстрах", "small");

    private static readonly Noun s_mother = Person("mother", "mothers", Feminine,
        "мать матери матери мать матерью матери",
        "матери матерей матерям матерей матерями матерях", "");

    private static readonly Noun s_father = Person("father", "fathers", Masculine,
        "отец отца отцу отца отцом отце",
        "отцы отцов отцам отцов отцами отцах", "");

    private static readonly Noun s_friend = Person("friend", "friends", Masculine,
        "друг друга другу друга другом друге",
        "друзья друзей друзьям друзей друзьями друзьях", "old good");

    private static readonly Noun s_son = Person("son", "sons", Masculine,
        "сын сына сыну сына сыном сыне",
        "сыновья сыновей сыновьям сыновей сыновьями сыновьях", "small");

    private static readonly Noun s_daughter = Person("daughter", "daughters", Feminine,
        "дочь дочери дочери дочь дочерью дочери",
        "дочери дочерей дочерям дочерей дочерьми дочерях", "small");

    /// <summary>People that are named with an article.</summary>
    public static IReadOnlyList<Noun> Others { get; } =
    [
        s_boy, s_girl, s_child, s_man, s_woman, s_student, s_teacher, s_doctor, s_engineer,
        s_artist,
    ];

    /// <summary>People that are named with a possessive.</summary>
    public static IReadOnlyList<Noun> Kin { get; } =
        [s_brother, s_sister, s_mother, s_father, s_friend, s_son, s_daughter];

    /// <summary>Kin of whom one may have none, one or several.</summary>
    public static IReadOnlyList<Noun> Siblings { get; } =
        [s_brother, s_sister, s_friend, s_son, s_daughter];

    /// <summary>People that also occur in the plural.</summary>
    public static IReadOnlySet<Noun> Groups { get; } =
        new HashSet<Noun> { s_boy, s_girl, s_child, s_student, s_friend };

    /// <summary>People that do not trade.</summary>
    public static IReadOnlySet<Noun> Young { get; } =
        new HashSet<Noun> { s_boy, s_girl, s_child, s_son, s_daughter };

    /// <summary>People whose age is told in years up to ten.</summary>
    public static IReadOnlyList<Noun> Aged { get; } =
        [s_boy, s_girl, s_child, s_brother, s_sister, s_friend, s_son, s_daughter];

    public static IReadOnlyList<Noun> Occupations { get; } =
        [s_student, s_teacher, s_doctor, s_engineer, s_writer, s_artist];

    /// <summary>People who have, or had, an occupation.</summary>
    public static IReadOnlyList<Noun> Professionals { get; } =
        [s_man, s_woman, s_brother, s_sister, s_mother, s_father, s_friend, s_son, s_daughter];
}
