using System.Globalization;
using System.Text;
using Transformer.Backends;

namespace Transformer.Tests.Robustness.Fuzz;

/// <summary>
/// Makes the arguments of one call. Each decision gives a right value or, now and then, a wrong
/// one; the same seed gives the same call.
/// </summary>
internal sealed class FuzzCall : IDisposable
{
    private const int Most = 32;
    private const int MostIds = FuzzBuffer.Bytes / sizeof(int);

    private static readonly int[] WrongSizes =
        [0, -1, int.MaxValue, int.MinValue, 65_536, 1 << 22, -7, 1000, int.MaxValue - 1];

    private static readonly double[] WrongNumbers =
    [
        double.NaN, double.PositiveInfinity, double.NegativeInfinity, -1, 1e39, 1e300, -0.0,
        double.Epsilon, 0, 2,
    ];

    private readonly FuzzBuffer[] buffers =
        [.. Enumerable.Range(0, Most).Select(_ => new FuzzBuffer())];
    private readonly string[] names = new string[Most];
    private StringBuilder? log;
    private ulong state;
    private int used;
    private int wrongPerThousand;

    /// <summary>No decision was a wrong one: the call must be accepted.</summary>
    public bool IsRight { get; private set; }

    /// <summary>Nothing is run: the calls end before their last argument.</summary>
    public bool IsDry { get; init; }

    /// <summary>What has been decided, where it was asked for.</summary>
    public string Description => log?.ToString() ?? "";

    public void Begin(ulong seed, bool describe = false)
    {
        state = seed;
        used = 0;
        IsRight = true;
        log = describe ? new() : null;
        wrongPerThousand = Below(8) switch { 0 => 0, 1 => 500, 2 => 200, < 5 => 80, _ => 30 };
    }

    /// <summary>SplitMix64 (Steele, Lea, Flood 2014).</summary>
    public ulong Next()
    {
        state += 0x9E3779B97F4A7C15;
        ulong z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    public int Below(int limit) => (int)((Next() >> 33) * (ulong)limit >> 31);

    public bool OneIn(int count) => Below(count) == 0;

    public T Of<T>(params ReadOnlySpan<T> values) => values[Below(values.Length)];

    /// <summary>This decision shall be a wrong one.</summary>
    public bool Wrong()
    {
        if (Below(1000) >= wrongPerThousand) return false;
        IsRight = false;
        return true;
    }

    /// <summary>A size from <paramref name="low"/> to <paramref name="high"/>.</summary>
    public int Size(string name, int low, int high) =>
        Note(name, Wrong() ? Of(WrongSizes) : low + Below(high - low + 1));

    public double Number(string name, params ReadOnlySpan<double> right) =>
        Note(name, Wrong() ? Of(WrongNumbers) : Of(right));

    public TEnum Named<TEnum>(string name) where TEnum : struct, Enum
    {
        TEnum[] all = NamedValues<TEnum>.All;
        int value = Wrong() ? Of(all.Length, -1, int.MaxValue, int.MinValue) : Below(all.Length);
        return Note(name, (TEnum)(object)value);
    }

    public int Int(string name, params ReadOnlySpan<int> right) =>
        Note(name, Wrong() ? Of(WrongSizes) : Of(right));

    public long Stride(string name, long right) => Note(name, !Wrong() ? right : Of(
        -1, 0, 1, right - 1, right + 3, -right, long.MaxValue, long.MinValue, 1L << 32, 1L << 62));

    public bool Flag(string name) => Note(name, OneIn(2));

    public ReadOnlySpan<float> In(string name, Int128 right) => In<float>(name, right);

    public ReadOnlySpan<T> In<T>(string name, Int128 right) where T : unmanaged =>
        Take<T>(name, right, FuzzAccess.Read);

    /// <summary>Numbers from 0 to 2.</summary>
    public ReadOnlySpan<float> Positive(string name, Int128 right)
    {
        float[] values = new float[Count(right, sizeof(float))];
        for (int i = 0; i < values.Length; i++) values[i] = Below(200) / 100f;
        if (values.Length > 0 && Wrong())
            values[Below(values.Length)] = (float)Of(WrongNumbers);
        return buffers[Slot(name, values.Length)].Take<float>(
            values.Length, OneIn(2), FuzzAccess.Read, values);
    }

    public Span<float> Out(string name, Int128 right) => Out<float>(name, right);

    public Span<T> Out<T>(string name, Int128 right) where T : unmanaged =>
        Take<T>(name, right, FuzzAccess.Write);

    public Span<float> Updated(string name, Int128 right) =>
        Take<float>(name, right, FuzzAccess.Update);

    public ReadOnlySpan<float> InOrNone(string name, Int128 right) =>
        OneIn(2) ? In(name, right) : default;

    public Span<float> OutOrNone(string name, Int128 right) =>
        OneIn(2) ? Out(name, right) : default;

    public Span<float> UpdatedOrNone(string name, Int128 right) =>
        OneIn(2) ? Updated(name, right) : default;

    /// <summary>Integers from <paramref name="low"/> to <paramref name="high"/>.</summary>
    public ReadOnlySpan<int> Ids(string name, Int128 right, long low, long high)
    {
        if (right > MostIds) IsRight = false;
        int[] values = new int[(int)Int128.Clamp(right, 0, MostIds)];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = high >= low && high - low < int.MaxValue
                ? (int)(low + Below((int)(high - low + 1))) : 0;
        }

        return Values(name, values, (int)Math.Clamp(high + 1, int.MinValue, int.MaxValue));
    }

    /// <summary>These integers, or one of them wrong, or another number of them.</summary>
    public ReadOnlySpan<int> Values(string name, int[] values, int wrong)
    {
        values = [.. values];
        if (values.Length > 0 && Wrong())
        {
            values[Below(values.Length)] = Of(
                wrong, -1, int.MaxValue, int.MinValue, values[Below(values.Length)], 3);
        }

        int count = Count(values.Length, sizeof(int));
        Array.Resize(ref values, count);
        int slot = Slot(name, count);
        log?.Append(CultureInfo.InvariantCulture,
            $" ({string.Join(' ', values.Take(12))}{(values.Length > 12 ? " …" : "")})");
        return buffers[slot].Take<int>(count, OneIn(2), FuzzAccess.Read, values);
    }

    public ReadOnlySpan<bool> Bools(string name, Int128 right)
    {
        bool[] values = new bool[Count(right, 1)];
        for (int i = 0; i < values.Length; i++) values[i] = !OneIn(3);
        return buffers[Slot(name, values.Length)].Take<bool>(
            values.Length, OneIn(2), FuzzAccess.Read, values);
    }

    /// <summary>Where to run; the last argument to be made.</summary>
    public Backend? Backend()
    {
        int choice = Below(8);
        log?.Append(choice == 0 ? ", reference" : "");
        if (IsDry) throw new DryRunException();
        return choice == 0 ? BackendRegistry.Reference : null;
    }

    /// <summary>What the call did that it may not; null where it behaved.</summary>
    public string? Check(bool ran)
    {
        string? first = null;
        for (int i = 0; i < used; i++)
        {
            string? damage = buffers[i].Check(ran);
            if (damage is not null) first ??= $"'{names[i]}' {damage}";
        }

        return first;
    }

    public T Note<T>(string name, T value)
    {
        log?.Append(
            CultureInfo.InvariantCulture, $"{(log.Length > 0 ? ", " : "")}{name} {value}");
        return value;
    }

    public void Dispose()
    {
        foreach (FuzzBuffer buffer in buffers) buffer.Dispose();
    }

    private unsafe Span<T> Take<T>(string name, Int128 right, FuzzAccess access)
        where T : unmanaged
    {
        int count = Count(right, sizeof(T));
        int slot = Slot(name, count);
        Span<T> span = buffers[slot].Take<T>(count, OneIn(2), access);
        if (slot == 0 || access == FuzzAccess.Read || !Wrong()) return span;
        // It lies in another's memory.
        int other = Below(slot);
        int shift = Below(40);
        Note("overlapping", $"{names[other]} from {shift}");
        return buffers[other].Share<T>(shift, count);
    }

    /// <summary>Elements that fit a buffer: as many as are right, or too few, or too many.
    /// </summary>
    private int Count(Int128 right, int size)
    {
        int limit = FuzzBuffer.Bytes / size;
        int count = (int)Int128.Clamp(right, 0, limit);
        if (right > limit) IsRight = false;
        return !Wrong() ? count : Math.Clamp(
            Of(0, count - 1, count + 1, count / 2, count + 100, 1, count - 8), 0, limit);
    }

    private int Slot(string name, int count)
    {
        names[used] = name;
        Note(name, $"[{count}]");
        return used++;
    }

    /// <summary>Ends a call that is not to be run.</summary>
    public sealed class DryRunException : Exception;

    private static class NamedValues<TEnum> where TEnum : struct, Enum
    {
        public static readonly TEnum[] All = Enum.GetValues<TEnum>();
    }
}
