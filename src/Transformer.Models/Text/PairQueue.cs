using System.Runtime.InteropServices;

namespace Transformer.Models.Text;

/// <summary>Counts of symbol pairs, the most frequent at hand, with the words they occur in.
/// </summary>
/// <remarks>A binary max-heap over slots, one slot a pair, each slot knowing its place in the
/// heap: changing a count costs O(log pairs). Among equal counts the pair with the smaller left,
/// then the smaller right symbol wins, so results do not depend on the order of insertion.
/// </remarks>
internal sealed class PairQueue
{
    private const int Absent = -1;

    private readonly Dictionary<ulong, int> _slots = [];
    private readonly List<Slot> _entries = [];
    private readonly List<int> _heap = [];

    public static ulong Key(int left, int right) => ((ulong)(uint)left << 32) | (uint)right;

    /// <summary>The most frequent pair, its count, and every word that may hold it.</summary>
    public bool TryPeek(out ulong key, out long count, out List<int> words)
    {
        if (_heap.Count == 0)
        {
            (key, count, words) = (0, 0, []);
            return false;
        }
        Slot top = _entries[_heap[0]];
        (key, count, words) = (top.Key, top.Count, top.Words);
        return true;
    }

    /// <summary>Adds to a pair's count; pairs that no longer occur leave the heap.</summary>
    public void Add(ulong key, long delta)
    {
        int index = SlotOf(key);
        ref Slot slot = ref CollectionsMarshal.AsSpan(_entries)[index];
        slot.Count += delta;
        if (slot.Count == 0)
        {
            if (slot.Place != Absent) Remove(index);
            slot.Words = [];
            return;
        }
        if (slot.Place == Absent)
        {
            slot.Place = _heap.Count;
            _heap.Add(index);
        }
        if (delta > 0) SiftUp(slot.Place);
        else SiftDown(slot.Place);
    }

    /// <summary>Notes that a word holds a pair. Words are not taken out again: a reader passes
    /// over those that lost the pair.</summary>
    public void AddWord(ulong key, int word)
    {
        List<int> words = _entries[SlotOf(key)].Words;
        if (words.Count == 0 || words[^1] != word) words.Add(word);
    }

    private int SlotOf(ulong key)
    {
        ref int slot = ref CollectionsMarshal.GetValueRefOrAddDefault(_slots, key, out bool known);
        if (!known)
        {
            slot = _entries.Count;
            _entries.Add(new() { Key = key, Words = [], Place = Absent });
        }
        return slot;
    }

    private void Remove(int index)
    {
        int place = _entries[index].Place;
        int last = _heap[^1];
        _heap.RemoveAt(_heap.Count - 1);
        CollectionsMarshal.AsSpan(_entries)[index].Place = Absent;
        if (last == index) return;
        Put(last, place);
        SiftUp(place);
        SiftDown(_entries[last].Place);
    }

    private void SiftUp(int place)
    {
        int moving = _heap[place];
        while (place > 0)
        {
            int parent = (place - 1) / 2;
            if (!Before(moving, _heap[parent])) break;
            Put(_heap[parent], place);
            place = parent;
        }
        Put(moving, place);
    }

    private void SiftDown(int place)
    {
        int moving = _heap[place];
        while (true)
        {
            int child = (2 * place) + 1;
            if (child >= _heap.Count) break;
            if (child + 1 < _heap.Count && Before(_heap[child + 1], _heap[child])) child++;
            if (!Before(_heap[child], moving)) break;
            Put(_heap[child], place);
            place = child;
        }
        Put(moving, place);
    }

    private void Put(int index, int place)
    {
        _heap[place] = index;
        CollectionsMarshal.AsSpan(_entries)[index].Place = place;
    }

    private bool Before(int a, int b)
    {
        Span<Slot> entries = CollectionsMarshal.AsSpan(_entries);
        ref Slot x = ref entries[a];
        ref Slot y = ref entries[b];
        return x.Count != y.Count ? x.Count > y.Count : x.Key < y.Key;
    }

    private struct Slot
    {
        public ulong Key;
        public long Count;
        public int Place;
        public List<int> Words;
    }
}
