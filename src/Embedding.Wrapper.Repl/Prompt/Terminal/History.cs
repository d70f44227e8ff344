namespace EmbeddingWrapper.Repl.Prompt.Terminal;

/// <summary>What was entered before, and the place in it while a reader goes through it.</summary>
internal sealed class History
{
    private readonly List<string> _entries = [];
    private int _place;
    private string _draft = "";

    /// <summary>Adds an entry, unless it is empty or the last one again, and goes to the end.</summary>
    public void Add(string entry)
    {
        if (!string.IsNullOrWhiteSpace(entry) && (_entries.Count == 0 || _entries[^1] != entry)) _entries.Add(entry);
        _place = _entries.Count;
    }

    /// <summary>The entry before, or null at the first one.</summary>
    /// <param name="draft">What is being typed. It comes back after the last entry.</param>
    public string? Previous(string draft)
    {
        if (_place == 0) return null;
        if (_place == _entries.Count) _draft = draft;
        return _entries[--_place];
    }

    /// <summary>The entry after, then the draft, then null.</summary>
    public string? Next()
    {
        if (_place == _entries.Count) return null;
        return ++_place == _entries.Count ? _draft : _entries[_place];
    }
}
