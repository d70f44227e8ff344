using System.Text;

namespace EmbeddingWrapper.Pretrained;

/// <summary>Makes the exception for a damaged file: it names the file, the place and the fault.</summary>
internal static class FileFault
{
    public static InvalidDataException At(string path, string place, string fault, Exception? cause = null) =>
        new($"{path}, {place}: {fault}", cause);

    public static InvalidDataException AtLine(string path, long line, string fault) => At(path, $"line {line}", fault);

    public static InvalidDataException AtByte(string path, long position, string fault, Exception? cause = null) =>
        At(path, $"byte {position}", fault, cause);

    /// <summary>Quotes a piece of a file for a message: short, on one line, in quotation marks.</summary>
    public static string Quote(ReadOnlySpan<byte> text)
    {
        const int longest = 40;
        bool cut = text.Length > longest;
        return Quote(Encoding.UTF8.GetString(cut ? text[..longest] : text), cut);
    }

    /// <inheritdoc cref="Quote(ReadOnlySpan{byte})"/>
    public static string Quote(string text)
    {
        const int longest = 80;
        bool cut = text.Length > longest;
        return Quote(cut ? text[..longest] : text, cut);
    }

    private static string Quote(string text, bool cut)
    {
        var shown = new StringBuilder("'");
        foreach (char c in text) shown.Append(char.IsControl(c) ? '\uFFFD' : c);
        return shown.Append(cut ? "…'" : "'").ToString();
    }
}
