using System.Text.RegularExpressions;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>A checklist of one documentation page: what it says, PyTorch's own tests, and what proves each.</summary>
internal sealed class Checklist
{
    private const string UpstreamHeading = "# PyTorch's own tests";

    private Checklist(string file)
    {
        string[] parts = File.ReadAllText(PageText.PathOf(file)).Split(UpstreamHeading);
        Page = Rows(parts[0]);
        Upstream = Rows(parts[1]);
    }

    public static Checklist OfEmbedding { get; } = new("checklist.md");

    public static Checklist OfEmbeddingBag { get; } = new("checklist-bag.md");

    public static Checklist OfTheFunction { get; } = new("checklist-functional.md");

    public ChecklistRow[] Page { get; }

    public ChecklistRow[] Upstream { get; }

    private static ChecklistRow[] Rows(string markdown)
    {
        // a table is a heading, a rule of dashes and the rows
        IEnumerable<string> lines = markdown.Split('\n').Where(line => line.StartsWith('|'));
        string[][] cells = [.. lines.Select(line => line.Trim('|').Split(" | "))];
        return [.. cells.Where((_, at) => !IsRule(at) && !(at + 1 < cells.Length && IsRule(at + 1)))
            .Select(row => row.Length == 2 ? new ChecklistRow(row[0].Trim(), row[1].Trim())
                : throw new FormatException($"Not two cells: {string.Join(" | ", row)}"))];

        bool IsRule(int at) => cells[at].All(cell => cell.Trim() == "---");
    }
}

/// <summary>A row of the checklist.</summary>
internal sealed partial class ChecklistRow
{
    public ChecklistRow(string says, string proof)
    {
        Says = says;
        string[] code = [.. Code().Matches(proof).Select(match => match.Groups[1].Value)];
        Scenarios = [.. code.Where(text => text.Contains(": "))];
        Tests = [.. code.Except(Scenarios)];
        Skipped = [.. SkipRemark().Matches(proof).Select(match => match.Groups[1].Value)];
        Items = SkipRemark().Replace(Code().Replace(proof, ""), "").Split([' ', ','], StringSplitOptions.RemoveEmptyEntries);
    }

    public string Says { get; }

    /// <summary><c>Class.Method</c></summary>
    public string[] Tests { get; }

    /// <summary><c>family: scenario</c></summary>
    public string[] Scenarios { get; }

    /// <summary>Items of the specification. The <c>proves</c> of the goldens names them.</summary>
    public string[] Items { get; }

    /// <summary>The reasons that the row gives for skipped tests.</summary>
    public string[] Skipped { get; }

    public bool IsEmpty => Tests.Length + Scenarios.Length + Items.Length == 0;

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Code();

    [GeneratedRegex(@"\(skipped: ([^)]+)\)")]
    private static partial Regex SkipRemark();
}
