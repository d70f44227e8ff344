namespace EmbeddingWrapper.Repl.Prompt.Terminal;

/// <summary>What was entered before, and the place in it while a reader goes through it.</summary>
/// <param name="file">Where it is kept between sessions, if anywhere.</param>
internal sealed class History(HistoryFile? file = null)
{
    private readonly List<string> _entries = file?.Read() ?? [];
    private int _place = -1; // behind the last entry
    private string _draft = "";

    public int Count => _entries.Count;

    public string this[int index] => _entries[index];

    private int Place => _place < 0 ? Count : _place;

    /// <summary>Adds an entry, unless it is empty or the last one again, and goes to the end.</summary>
    public void Add(string entry)
    {
        _place = -1;
        if (string.IsNullOrWhiteSpace(entry) || Count > 0 && _entries[^1] == entry) return;
        _entries.Add(entry);
        file?.Append(entry);
    }

    /// <summary>The entry before, or null at the first one.</summary>
    /// <param name="draft">What is being typed. It comes back after the last entry.</param>
    public string? Previous(string draft)
    {
        if (Place == 0) return null;
        if (Place == Count) _draft = draft;
        _place = Place - 1;
        return _entries[_place];
    }

    /// <summary>The entry after, then the draft, then null.</summary>
    public string? Next()
    {
        if (Place == Count) return null;
        _place++;
        return Place == Count ? _draft : _entries[_place];
    }

    /// <summary>Goes to an entry, as if <see cref="Previous"/> had come to it.</summary>
    public void GoTo(int index) => (_place, _draft) = (index, "");

    /// <summary>The newest entry before <paramref name="before"/> that contains a text, in capitals or not.</summary>
    /// <returns>Its index, or null if there is none.</returns>
    public int? Find(string text, int before)
    {
        if (before == 0) return null;
        int found = _entries.FindLastIndex(before - 1, entry => entry.Contains(text, StringComparison.OrdinalIgnoreCase));
        return found < 0 ? null : found;
    }
}
