using EmbeddingWrapper.Repl.Prompt.Terminal;

namespace EmbeddingWrapper.ReplTests;

public class EditedTextTests
{
    // The bar is the cursor.
    [Theory]
    [InlineData("ab|c", "Left", "a|bc")]
    [InlineData("|ab", "Left", "|ab")]
    [InlineData("ab|", "Right", "ab|")]
    [InlineData("ab\n|c", "Left", "ab|\nc")]
    [InlineData("ae\u0301|", "Left", "a|e\u0301")]
    [InlineData("a\U0001F600|", "Backspace", "a|")]
    [InlineData("|\U0001F600a", "Right", "\U0001F600|a")]
    [InlineData("ab|c", "Backspace", "a|c")]
    [InlineData("|ab", "Backspace", "|ab")]
    [InlineData("a|bc", "Delete", "a|c")]
    [InlineData("a\nbc|d\ne", "Home", "a\n|bcd\ne")]
    [InlineData("a\nb|cd\ne", "End", "a\nbcd|\ne")]
    [InlineData("a.foo bar|", "WordLeft", "a.foo |bar")]
    [InlineData("a.foo| bar", "WordLeft", "a.|foo bar")]
    [InlineData("a|.foo bar", "WordRight", "a.foo| bar")]
    [InlineData("a.foo|", "DeleteWord", "a.|")]
    [InlineData("a\nbc|d", "DeleteToLineStart", "a\n|d")]
    [InlineData("a|bc\nd", "DeleteToLineEnd", "a|\nd")]
    [InlineData("a|\nd", "DeleteToLineEnd", "a|d")]
    [InlineData("abc\nd|e", "Up", "a|bc\nde")]
    [InlineData("a\nbcd|", "Up", "a|\nbcd")]
    [InlineData("\nab|", "Up", "|\nab")]
    [InlineData("ab|c\nde", "Down", "abc\nde|")]
    [InlineData("abc|\nd\ne", "Down", "abc\nd|\ne")]
    public void Keys(string before, string key, string after)
    {
        var edited = new EditedText();
        edited.Set(before[..before.IndexOf('|')]);
        int cursor = edited.Cursor;
        edited.Insert(before[(cursor + 1)..]);
        while (edited.Cursor > cursor) edited.Left();

        typeof(EditedText).GetMethod(key)!.Invoke(edited, []);

        Assert.Equal(after, edited.Text.Insert(edited.Cursor, "|"));
    }

    [Fact]
    public void ThereIsNoLineAboveTheFirstAndNoneBelowTheLast()
    {
        var edited = new EditedText();
        edited.Set("a");
        Assert.False(edited.Up());
        Assert.False(edited.Down());
    }
}
