namespace EmbeddingWrapper.Benchmarks;

/// <summary>The page docs/PERFORMANCE.md. A comment such as <c>&lt;!-- table: loading --&gt;</c> stands above each measured table.</summary>
internal static class Page
{
    public static string Repository { get; } = FindRepository();

    /// <summary>Puts a new table below its comment in place of the old one.</summary>
    public static void Replace(string table, IEnumerable<string> lines)
    {
        string path = Path.Combine(Repository, "docs", "PERFORMANCE.md"), mark = $"<!-- table: {table} -->";
        List<string> page = [.. File.ReadLines(path)];
        int start = page.IndexOf(mark) + 1, end = start;
        if (start == 0) throw new InvalidOperationException($"{path} has no line {mark}");
        while (end < page.Count && page[end].StartsWith('|')) end++;
        page.RemoveRange(start, end - start);
        page.InsertRange(start, lines);
        File.WriteAllText(path, string.Join('\n', page) + '\n');
    }

    private static string FindRepository()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Embedding.Wrapper.sln"))) folder = folder.Parent;
        return folder?.FullName ?? throw new InvalidOperationException("Run this from within the repository.");
    }
}
