using System.Globalization;
using System.Text;

namespace EmbeddingWrapper.Repl.Prompt.Terminal;

/// <summary>Draws the text that is being typed at the bottom of a terminal, over what it drew before.</summary>
/// <param name="output">The terminal.</param>
internal sealed class Screen(TextWriter output)
{
    private const string Prompt = "> ", Continuation = ". ";

    private int _cursorRow;

    /// <summary>Shows a text and the cursor in it.</summary>
    /// <param name="text">The text.</param>
    /// <param name="cursor">The cursor is before the character of this index.</param>
    /// <param name="prompt">What comes before the text.</param>
    public void Draw(string text, int cursor, string prompt = Prompt)
    {
        (int width, int height) = Size();
        (List<string> rows, int row, int column) = Layout(prompt, text, cursor, width);
        int first = Math.Clamp(row - height + 1, 0, Math.Max(0, rows.Count - height));
        rows = rows.GetRange(first, Math.Min(height, rows.Count - first));

        var frame = new StringBuilder(ToTheTop()).AppendJoin("\r\n", rows);
        Move(frame, rows.Count - 1 - (row - first), 'A');
        frame.Append('\r');
        Move(frame, column, 'C');
        output.Write(frame);
        output.Flush();
        _cursorRow = row - first;
    }

    /// <summary>Leaves the text where it is. The cursor must be at its end.</summary>
    public void Leave()
    {
        output.Write("\r\n");
        output.Flush();
        _cursorRow = 0;
    }

    /// <summary>Takes the text away and writes something in its place.</summary>
    public void Write(string lines)
    {
        output.Write(ToTheTop() + lines.ReplaceLineEndings("\r\n"));
        _cursorRow = 0;
    }

    /// <summary>Empties the terminal.</summary>
    public void Clear() => Write("\e[H\e[2J");

    /// <summary>Names in columns, as many as the terminal has room for.</summary>
    public static string Columns(IReadOnlyList<string> names)
    {
        (int width, int height) = Size();
        int cell = names.Max(name => name.Length) + 2;
        int perRow = Math.Max(1, (width - 1) / cell);
        int rows = (names.Count + perRow - 1) / perRow;
        int shownRows = Math.Min(rows, Math.Max(1, height - 6));
        // Down the columns, as ls lists files; what does not fit is left out at the end.
        int count = Math.Min(names.Count, shownRows * perRow);
        var text = new StringBuilder();
        for (int row = 0; row < shownRows; row++)
        {
            IEnumerable<string> line = Enumerable.Range(0, perRow).Select(column => column * shownRows + row)
                .Where(i => i < count).Select(i => names[i].PadRight(cell));
            text.Append(string.Concat(line).TrimEnd()).Append('\n');
        }
        if (count < names.Count) text.Append($"... and {names.Count - count} more\n");
        return text.ToString();
    }

    private string ToTheTop()
    {
        var text = new StringBuilder("\r");
        Move(text, _cursorRow, 'A');
        return text.Append("\e[J").ToString();
    }

    private static void Move(StringBuilder text, int by, char direction)
    {
        if (by > 0) text.Append($"\e[{by}{direction}");
    }

    /// <summary>Breaks the text into rows of the terminal and finds the cursor.</summary>
    private static (List<string> Rows, int Row, int Column) Layout(string prompt, string text, int cursor, int width)
    {
        var rows = new List<string>();
        var line = new StringBuilder(prompt);
        int column = prompt.Length, cursorRow = 0, cursorColumn = 0;
        for (int at = 0; ; )
        {
            int length = at < text.Length ? StringInfo.GetNextTextElementLength(text.AsSpan(at)) : 0;
            string element = text.Substring(at, length);
            int cells = element == "\n" ? 0 : Cells(element);
            if (column + Math.Max(cells, 1) > width && element != "\n") Break("");
            if (at == cursor) (cursorRow, cursorColumn) = (rows.Count, Math.Min(column, width - 1));
            if (length == 0) break;
            if (element == "\n") Break(Continuation);
            else line.Append(element == "\t" ? "    " : element);
            column += cells;
            at += length;
        }
        rows.Add(line.ToString());
        return (rows, cursorRow, cursorColumn);

        void Break(string start)
        {
            rows.Add(line.ToString());
            line.Clear().Append(start);
            column = start.Length;
        }
    }

    /// <summary>How many cells of a terminal a character takes.</summary>
    private static int Cells(string element)
    {
        if (element == "\t") return 4;
        Rune.DecodeFromUtf16(element, out Rune first, out _);
        return first.Value switch
        {
            // East Asian wide and full-width characters, and pictures.
            >= 0x1100 and <= 0x115F or >= 0x2E80 and <= 0xA4CF or >= 0xAC00 and <= 0xD7A3 or >= 0xF900 and <= 0xFAFF
                or >= 0xFE30 and <= 0xFE6F or >= 0xFF00 and <= 0xFF60 or >= 0xFFE0 and <= 0xFFE6
                or >= 0x1F300 and <= 0x1FAFF or >= 0x20000 and <= 0x3FFFD => 2,
            _ => 1,
        };
    }

    /// <summary>A terminal that does not tell has the size of the first ones.</summary>
    private static (int Width, int Height) Size()
    {
        int width = Console.WindowWidth, height = Console.WindowHeight;
        return (width > 4 ? width : 80, height > 1 ? height : 24);
    }
}
