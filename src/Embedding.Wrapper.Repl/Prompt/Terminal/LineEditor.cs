namespace EmbeddingWrapper.Repl.Prompt.Terminal;

/// <summary>
/// Reads submissions from a person at a terminal: cursor keys, history, Tab, several lines. (RadLine 0.6.0, the one line
/// editor that could be had as a package, overwrites earlier output when a line is added, hands a command only the line that
/// the cursor is in, and knows no wide characters.)
/// </summary>
/// <param name="output">The terminal.</param>
/// <param name="isComplete">
/// Whether Enter ends a text; the other argument: more keys are there already, as in a paste.
/// </param>
/// <param name="complete">What Tab can do at a place of a text.</param>
/// <param name="history">What was entered before.</param>
internal sealed class LineEditor(
    TextWriter output, Func<string, bool, bool> isComplete, Func<string, int, Completion> complete, History history)
{
    private const ConsoleModifiers Ctrl = ConsoleModifiers.Control, Alt = ConsoleModifiers.Alt;
    private const string Indentation = "    ";

    private readonly EditedText _edited = new();
    private readonly Screen _screen = new(output);

    /// <summary>The next submission, or null when Ctrl-D ends the input.</summary>
    public string? Read()
    {
        _edited.Set("");
        // What ran may have left its last line open.
        if (Console.CursorLeft > 0) _screen.Leave();
        _screen.Draw("", 0);
        while (true)
        {
            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            if (key is { Key: ConsoleKey.R, Modifiers: Ctrl }) key = Search();
            bool more = Console.KeyAvailable;
            switch (key)
            {
                case { Key: ConsoleKey.Escape }:
                    break;

                case { Key: ConsoleKey.D, Modifiers: Ctrl } when _edited.Text.Length == 0:
                    Leave();
                    return null;

                case { Key: ConsoleKey.C, Modifiers: Ctrl }:
                    Leave();
                    _edited.Set("");
                    break;

                case { KeyChar: '\r' or '\n', Modifiers: not Alt } when EndsHere(more):
                    Leave();
                    history.Add(_edited.Text);
                    return _edited.Text;

                case { KeyChar: '\r' or '\n' }:
                    _edited.Insert("\n");
                    break;

                case { Key: ConsoleKey.Tab } when more:
                    _edited.Insert(Indentation);
                    break;

                case { Key: ConsoleKey.Tab }:
                    Complete();
                    break;

                default:
                    Edit(key);
                    break;
            }
            // A paste is drawn once, not letter by letter.
            if (!more) _screen.Draw(_edited.Text, _edited.Cursor);
        }
    }

    /// <summary>Enter after an empty line ends the text, complete or not: the way out of a parenthesis left open.</summary>
    private bool EndsHere(bool more) =>
        isComplete(_edited.Text, more)
        || !more && _edited.Cursor == _edited.Text.Length && _edited.Text.EndsWith('\n');

    private void Leave()
    {
        _edited.ToEnd();
        _screen.Draw(_edited.Text, _edited.Cursor);
        _screen.Leave();
    }

    private void Edit(ConsoleKeyInfo key)
    {
        switch (key.Key, key.Modifiers)
        {
            case (ConsoleKey.Backspace, _): _edited.Backspace(); break;
            case (ConsoleKey.Delete, _) or (ConsoleKey.D, Ctrl): _edited.Delete(); break;
            case (ConsoleKey.LeftArrow, Ctrl) or (ConsoleKey.B, Alt): _edited.WordLeft(); break;
            case (ConsoleKey.RightArrow, Ctrl) or (ConsoleKey.F, Alt): _edited.WordRight(); break;
            case (ConsoleKey.LeftArrow, _) or (ConsoleKey.B, Ctrl): _edited.Left(); break;
            case (ConsoleKey.RightArrow, _) or (ConsoleKey.F, Ctrl): _edited.Right(); break;
            case (ConsoleKey.Home, _) or (ConsoleKey.A, Ctrl): _edited.Home(); break;
            case (ConsoleKey.End, _) or (ConsoleKey.E, Ctrl): _edited.End(); break;
            case (ConsoleKey.UpArrow, _) or (ConsoleKey.P, Ctrl):
                if (!_edited.Up()) Recall(history.Previous(_edited.Text));
                break;
            case (ConsoleKey.DownArrow, _) or (ConsoleKey.N, Ctrl):
                if (!_edited.Down()) Recall(history.Next());
                break;
            case (ConsoleKey.U, Ctrl): _edited.DeleteToLineStart(); break;
            case (ConsoleKey.K, Ctrl): _edited.DeleteToLineEnd(); break;
            case (ConsoleKey.W, Ctrl): _edited.DeleteWord(); break;
            case (ConsoleKey.L, Ctrl): _screen.Clear(); break;
            default:
                if (!char.IsControl(key.KeyChar)) _edited.Insert(key.KeyChar.ToString());
                break;
        }
    }

    /// <summary>Looks for an entry of the history that contains what is typed, the newest first, and takes it over.</summary>
    /// <returns>The key that ended the search, which then means what it always does. Escape: what was typed before is back.</returns>
    private ConsoleKeyInfo Search()
    {
        string before = _edited.Text, wanted = "";
        int found = history.Count;
        while (true)
        {
            string entry = found < history.Count ? history[found] : before;
            _edited.Set(entry);
            int cursor = Math.Max(0, entry.IndexOf(wanted, StringComparison.OrdinalIgnoreCase));
            bool isThere = entry.Contains(wanted, StringComparison.OrdinalIgnoreCase);
            _screen.Draw(entry, cursor, $"({(isThere ? "search" : "not found")}: {wanted}) ");

            ConsoleKeyInfo key = Console.ReadKey(intercept: true);
            switch (key)
            {
                case { Key: ConsoleKey.R, Modifiers: Ctrl }:
                    found = history.Find(wanted, found) ?? found;
                    break;

                case { Key: ConsoleKey.Backspace }:
                    wanted = wanted[..Math.Max(0, wanted.Length - 1)];
                    found = history.Find(wanted, history.Count) ?? found;
                    break;

                case { Key: ConsoleKey.Escape } or { Key: ConsoleKey.G or ConsoleKey.C, Modifiers: Ctrl }:
                    _edited.Set(before);
                    return new ConsoleKeyInfo('\e', ConsoleKey.Escape, shift: false, alt: false, control: false);

                case { KeyChar: var letter } when !char.IsControl(letter):
                    wanted += letter;
                    found = history.Find(wanted, Math.Min(found + 1, history.Count)) ?? found;
                    break;

                default:
                    if (found < history.Count) history.GoTo(found);
                    return key;
            }
        }
    }

    private void Recall(string? entry)
    {
        if (entry is not null) _edited.Set(entry);
    }

    /// <summary>Inserts what all candidates have in common; if that is nothing new, lists them.</summary>
    private void Complete()
    {
        string line = _edited.Text[.._edited.Cursor];
        if (string.IsNullOrWhiteSpace(line[(line.LastIndexOf('\n') + 1)..]))
        {
            _edited.Insert(Indentation);
            return;
        }
        Completion completion = complete(_edited.Text, _edited.Cursor);
        if (completion.Names.Count == 0) return;
        string common = completion.CommonPrefix();
        if (common.Length > _edited.Cursor - completion.Start) _edited.Replace(completion.Start, common);
        else if (completion.Names.Count > 1) List(completion.Names);
    }

    /// <summary>The list goes below the text, which is then drawn again below the list.</summary>
    private void List(IReadOnlyList<string> names)
    {
        (string text, int cursor) = (_edited.Text, _edited.Cursor);
        _screen.Draw(text, text.Length);
        _screen.Leave();
        _screen.Write(Screen.Columns(names));
        _screen.Draw(text, cursor);
    }
}
