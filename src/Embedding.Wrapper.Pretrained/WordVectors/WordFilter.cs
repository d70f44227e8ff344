using System.Text;
using System.Text.Unicode;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Decides by its word whether a row is kept, and decodes words.</summary>
/// <param name="undecodable">What happens to words that are not UTF-8.</param>
/// <param name="only">The words to keep, or null for all words.</param>
internal sealed class WordFilter(UndecodableText undecodable, IReadOnlySet<string>? only)
{
    private const int LongestOnStack = 256;

    /// <summary>The end of a message about a word that is not UTF-8.</summary>
    public const string Undecodable =
        $"the word is not valid UTF-8. {nameof(UndecodableText)}.{nameof(UndecodableText.Replace)} or .{nameof(UndecodableText.Skip)} loads the file.";

    // The set that is compared by ordinals, as TryGetIndex compares. It can be asked without making strings.
    private readonly HashSet<string>? _ordinal = only is HashSet<string> set && IsOrdinal(set.Comparer) ? set : null;
    private readonly HashSet<string> _found = [];

    /// <summary>Whether rows of any word are kept, so that <see cref="Keeps"/> need not be asked.</summary>
    public bool KeepsAll => only is null && undecodable != UndecodableText.Skip;

    /// <summary>Whether rows of any word that is valid UTF-8 are kept.</summary>
    public bool KeepsAllValid => only is null;

    /// <summary>The largest number of different words that can be kept.</summary>
    public int MostWords => _ordinal?.Count ?? int.MaxValue;

    /// <summary>Whether each of the words has been found. Later rows could only be duplicates.</summary>
    public bool IsComplete => _ordinal is not null && _found.Count == _ordinal.Count;

    /// <summary>The number of rows that were left out because their word is not UTF-8.</summary>
    public int SkippedCount { get; private set; }

    /// <summary>Whether a row is kept. The rows must be asked about in the order of the file, by one thread.</summary>
    public bool Keeps(ReadOnlySpan<byte> word)
    {
        if (undecodable != UndecodableText.Replace && !Utf8.IsValid(word))
        {
            if (undecodable == UndecodableText.Skip) SkippedCount++;
            return undecodable == UndecodableText.Throw && only is null;
        }
        if (only is null) return true;
        if (_ordinal is null || word.Length > LongestOnStack) return Found(Encoding.UTF8.GetString(word));

        Span<char> text = stackalloc char[LongestOnStack];
        text = text[..Encoding.UTF8.GetChars(word, text)];
        return _ordinal.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(text, out string? found) && Found(found);
    }

    /// <summary>Decodes a word. Several threads may call this method at the same time.</summary>
    /// <returns>The word, or null if it is not valid UTF-8 and is not to be replaced.</returns>
    public string? Decode(ReadOnlySpan<byte> word) =>
        undecodable == UndecodableText.Replace || Utf8.IsValid(word) ? Encoding.UTF8.GetString(word) : null;

    private bool Found(string word)
    {
        if (!only!.Contains(word)) return false;
        if (_ordinal is not null) _found.Add(word);
        return true;
    }

    private static bool IsOrdinal(IEqualityComparer<string> comparer) =>
        ReferenceEquals(comparer, EqualityComparer<string>.Default) || ReferenceEquals(comparer, StringComparer.Ordinal);
}
