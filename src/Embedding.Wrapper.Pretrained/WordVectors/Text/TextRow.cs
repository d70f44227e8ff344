using System.Runtime.CompilerServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// One line of a text format: a word and its numbers, separated by spaces or tabs. A word may contain spaces. The last part of such a word
/// must not be a number, because it could not be told from a number too many. White space before the word belongs to it; white space between the
/// word and the numbers does not, unless the word consists of white space: then the last space or tab is the separator.
/// </summary>
/// <remarks>Lines have no white space at their end. 8 bytes behind a line must be readable: see <see cref="NumberText"/>.</remarks>
internal static unsafe class TextRow
{
    /// <summary>Parses a row.</summary>
    /// <param name="line">The line.</param>
    /// <param name="numbers">Receives the numbers.</param>
    /// <param name="width">The number of elements of a row.</param>
    /// <returns>The length of the word, or -1 if the line is not such a row; <see cref="Fault"/> then says why.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)] // a file is read once, so tiered compilation would come too late
    public static int TryRead(ReadOnlySpan<byte> line, float* numbers, int width)
    {
        int word = line.IndexOfAny((byte)' ', (byte)'\t');
        if (word < 0) return -1;
        if (word == 0) word = line.IndexOfAnyExcept((byte)' ', (byte)'\t') - 1; // the word is empty or white space
        if (TryReadNumbers(line[word..], numbers, width)) return word;

        int start = StartOfNumbers(line, width, out int found);
        if (found < width || EndsWithNumber(line[..start]) || !TryReadNumbers(line[start..], numbers, width)) return -1;
        word = line[..start].TrimEnd(" \t"u8).Length;
        return word > 0 ? word : start;
    }

    /// <summary>Counts the numbers at the end of a line. The first field is always the word.</summary>
    public static int CountNumbers(ReadOnlySpan<byte> line)
    {
        StartOfNumbers(line, int.MaxValue, out int found);
        return found;
    }

    /// <summary>Describes the fault of a line that <see cref="TryRead"/> refused.</summary>
    public static string Fault(ReadOnlySpan<byte> line, int width)
    {
        int start = StartOfNumbers(line, width, out int found);
        if (found == width) return $"{CountNumbers(line)} numbers, and a row has {width}.";
        ReadOnlySpan<byte> rest = line[..start].TrimEnd(" \t"u8);
        int separator = rest.LastIndexOfAny((byte)' ', (byte)'\t');
        return separator < 0 || CountFields(line) - 1 < width
            ? $"{(separator < 0 ? found : CountFields(line) - 1)} numbers, and a row has {width}."
            : $"{FileFault.Quote(rest[(separator + 1)..])} is not a number, and stands where number {width - found} of {width} should.";
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TryReadNumbers(ReadOnlySpan<byte> text, float* numbers, int width)
    {
        fixed (byte* start = text)
        {
            byte* next = start;
            for (int i = 0; i < width; i++)
            {
                if (!IsSeparator(*next)) return false;
                do next++;
                while (IsSeparator(*next));
                if (!NumberText.TryRead(ref next, out float number)) return false;
                numbers[i] = number;
            }
            return next == start + text.Length;
        }
    }

    /// <summary>Finds the separator before the numbers at the end of a line, of which it looks at <paramref name="most"/> at most.</summary>
    private static int StartOfNumbers(ReadOnlySpan<byte> line, int most, out int found)
    {
        int start = line.Length;
        for (found = 0; found < most; found++)
        {
            ReadOnlySpan<byte> rest = line[..start].TrimEnd(" \t"u8);
            int separator = rest.LastIndexOfAny((byte)' ', (byte)'\t');
            if (separator < 0 || !TryParse(rest[(separator + 1)..], out _)) break;
            start = separator;
        }
        return start;
    }

    /// <summary>Whether the last of several fields is a number in digits. "to infinity" may be a word.</summary>
    private static bool EndsWithNumber(ReadOnlySpan<byte> word)
    {
        word = word.TrimEnd(" \t"u8);
        int separator = word.LastIndexOfAny((byte)' ', (byte)'\t');
        ReadOnlySpan<byte> last = word[(separator + 1)..];
        return separator >= 0 && !char.IsAsciiLetter((char)last[0]) && TryParse(last, out _);
    }

    private static int CountFields(ReadOnlySpan<byte> line)
    {
        int fields = line.Length > 0 && IsSeparator(line[0]) ? 1 : 0; // an empty word
        foreach (Range field in line.SplitAny(" \t"u8))
        {
            if (!line[field].IsEmpty) fields++;
        }
        return fields;
    }

    private static bool TryParse(ReadOnlySpan<byte> field, out float number)
    {
        fixed (byte* start = field)
        {
            byte* next = start;
            number = 0;
            return field.Length > 0 && NumberText.TryRead(ref next, out number) && next == start + field.Length;
        }
    }

    private static bool IsSeparator(byte value) => value is (byte)' ' or (byte)'\t';
}
