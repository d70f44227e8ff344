using System.Globalization;

namespace EmbeddingWrapper.Repl.Prompt.Terminal;

/// <summary>Text of one or more lines that is being typed, and the cursor in it.</summary>
internal sealed class EditedText
{
    /// <summary>The text, with <c>\n</c> between lines.</summary>
    public string Text { get; private set; } = "";

    /// <summary>The cursor is before the character of this index.</summary>
    public int Cursor { get; private set; }

    /// <summary>Takes another text, the cursor at its end.</summary>
    public void Set(string text) => (Text, Cursor) = (text, text.Length);

    public void Insert(string text) => (Text, Cursor) = (Text.Insert(Cursor, text), Cursor + text.Length);

    /// <summary>Puts <paramref name="text"/> where everything from <paramref name="start"/> to the cursor is.</summary>
    public void Replace(int start, string text)
    {
        RemoveTo(start);
        Insert(text);
    }

    public void Backspace() => RemoveTo(Before);

    public void Delete() => RemoveTo(After);

    public void DeleteWord() => RemoveTo(WordBefore);

    public void DeleteToLineStart() => RemoveTo(LineStart);

    public void DeleteToLineEnd() => RemoveTo(Cursor == LineEnd ? After : LineEnd);

    public void Left() => Cursor = Before;

    public void Right() => Cursor = After;

    public void WordLeft() => Cursor = WordBefore;

    public void WordRight() => Cursor = WordAfter;

    public void Home() => Cursor = LineStart;

    public void End() => Cursor = LineEnd;

    public void ToEnd() => Cursor = Text.Length;

    /// <summary>To the line above.</summary>
    /// <returns>False if there is none.</returns>
    public bool Up()
    {
        int start = LineStart;
        if (start == 0) return false;
        int column = Cursor - start;
        int above = start == 1 ? 0 : Text.LastIndexOf('\n', start - 2) + 1;
        Cursor = Math.Min(above + column, start - 1);
        return true;
    }

    /// <summary>To the line below.</summary>
    /// <returns>False if there is none.</returns>
    public bool Down()
    {
        int end = LineEnd;
        if (end == Text.Length) return false;
        int column = Cursor - LineStart;
        int endBelow = Text.IndexOf('\n', end + 1);
        Cursor = Math.Min(end + 1 + column, endBelow < 0 ? Text.Length : endBelow);
        return true;
    }

    private int LineStart => Cursor == 0 ? 0 : Text.LastIndexOf('\n', Cursor - 1) + 1;

    private int LineEnd => Text.IndexOf('\n', Cursor) is var end and >= 0 ? end : Text.Length;

    /// <summary>A step is what a reader sees as one character: a letter and its accent, a pair of surrogates.</summary>
    private int After => Cursor == Text.Length ? Cursor : Cursor + StringInfo.GetNextTextElementLength(Text.AsSpan(Cursor));

    private int Before
    {
        get
        {
            int before = 0;
            for (int at = LineStart == Cursor ? Math.Max(0, Cursor - 1) : LineStart; at < Cursor; )
            {
                before = at;
                at += StringInfo.GetNextTextElementLength(Text.AsSpan(at));
            }
            return before;
        }
    }

    private int WordBefore
    {
        get
        {
            int at = Cursor;
            while (at > 0 && !IsWord(Text[at - 1])) at--;
            while (at > 0 && IsWord(Text[at - 1])) at--;
            return at;
        }
    }

    private int WordAfter
    {
        get
        {
            int at = Cursor;
            while (at < Text.Length && !IsWord(Text[at])) at++;
            while (at < Text.Length && IsWord(Text[at])) at++;
            return at;
        }
    }

    private static bool IsWord(char c) => char.IsLetterOrDigit(c) || c == '_' || char.IsSurrogate(c);

    private void RemoveTo(int other)
    {
        (int start, int end) = other < Cursor ? (other, Cursor) : (Cursor, other);
        (Text, Cursor) = (Text.Remove(start, end - start), start);
    }
}
