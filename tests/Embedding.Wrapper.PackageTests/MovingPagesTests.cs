using System.Text.RegularExpressions;

namespace EmbeddingWrapper.PackageTests;

/// <summary>Every line of the pages on moving here compiles against the packages, runs, and gives what its row says.</summary>
public partial class MovingPagesTests(Workspace workspace)
{
    private const string FromPyTorch = "docs/MOVING-FROM-PYTORCH.md";
    private const string FromTorchSharp = "docs/MOVING-FROM-TORCHSHARP.md";

    [Fact]
    public void EveryLineRunsAndGivesWhatItsRowSays()
    {
        string[][] python = [.. Rows(FromPyTorch)], torchSharp = [.. Rows(FromTorchSharp)];
        string usings = Assert.Single(
            Repository.Blocks(FromPyTorch, "csharp").Concat(Repository.Blocks(FromTorchSharp, "csharp")).Distinct());
        workspace.Write("Moving/Moving.csproj", NewUserTests.Project(
            "Exe", NewUserTests.Package("Embedding.Wrapper.Pretrained", workspace.Version), NewUserTests.Package("libtorch-cpu")));

        // TorchSharp's column runs first, because the other column reads a file that it writes.
        workspace.Write("Moving/Program.cs", $$"""
            {{usings}}
            {
            {{string.Join('\n', python.Select(row => Statement(Code(row[1]), Gives(row))))}}
            }
            {
            {{string.Join('\n', torchSharp.Select(row => Code(row[0])))}}
            }
            {
            {{string.Join('\n', torchSharp.Select(row => Code(row[1])))}}
            }

            static void Show(string line, Func<object?> value)
            {
                string text;
                try { text = $"`{Text(value())}`"; }
                catch (Exception error) { text = $"raises `{error.Message.Split(new[] { ':', ',' })[0]}`"; }
                Console.WriteLine($"{line} gives {text}");
            }

            static string Text(object? value) => value switch
            {
                null => "None",
                Tensor tensor => tensor.Repr(),
                long[] shape => $"[{string.Join(", ", shape)}]",
                IEnumerable<string> names => $"[{string.Join(", ", names.Select(name => $"'{name}'"))}]",
                _ => value.ToString()!,
            };
            """);

        string output = workspace.Dotnet("Moving", "run");

        Assert.Equal(
            python.Where(row => Gives(row).Length > 0).Select(row => $"{Code(row[1])} gives {Gives(row)}"),
            output.TrimEnd('\n').Split('\n'));
    }

    /// <summary>The cells of the rows that begin with code.</summary>
    private static IEnumerable<string[]> Rows(string page) =>
        from line in Repository.Read(page).Split('\n')
        where line.StartsWith("| `", StringComparison.Ordinal)
        select Bar().Split(line[2..]);

    private static string Gives(string[] row) => row[2].Trim();

    private static string Code(string cell) => cell.Trim().Trim('`');

    private static string Statement(string line, string gives) =>
        gives.Length > 0 ? $"Show(\"\"\"{line}\"\"\", () => {line});" : $"{line.TrimEnd(';')};";

    // Matches the end of a cell. The code in the cells contains no bars.
    [GeneratedRegex(@" \|(?= |$)")]
    private static partial Regex Bar();
}
