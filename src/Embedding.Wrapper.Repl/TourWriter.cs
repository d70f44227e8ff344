namespace EmbeddingWrapper.Repl;

/// <summary>Writes the steps of a tour for a reader.</summary>
/// <param name="output">Where to.</param>
/// <param name="colour">Marks headings and code for a terminal.</param>
/// <param name="bar">Progress is a bar, drawn over itself and at last erased, for a terminal; otherwise lines.</param>
internal sealed class TourWriter(TextWriter output, bool colour, bool bar) : ITourReport
{
    private const string Bold = "1", Cyan = "36";
    private const int BarWidth = 40, MostLines = 10;

    private int _steps;
    private int _drawn;

    /// <summary>What a reader must know before the first step.</summary>
    public void Opening()
    {
        output.WriteLine("""
            A guided tour of Embedding.Wrapper. Each step shows the C# that it runs, then its result.

            To run a step of your own: using EmbeddingWrapper; and its .Optim and .Pretrained; using TorchSharp;
            Print(x) writes x.Repr() for a tensor and x.ToString() for anything else; Progress shows how far a long step is.
            Tensors that a step leaves behind are disposed by a torch.NewDisposeScope() around it.
            """);
    }

    /// <inheritdoc/>
    public void Begin(string heading, string code)
    {
        EraseBar();
        output.WriteLine();
        output.WriteLine(Marked($"{++_steps}. {heading}", Bold));
        output.WriteLine();
        foreach (string line in code.Split('\n')) output.WriteLine(line.Length > 0 ? $"    {Marked(line, Cyan)}" : "");
        output.WriteLine();
    }

    /// <inheritdoc/>
    public void Result(string text)
    {
        EraseBar();
        output.WriteLine(text);
    }

    /// <inheritdoc/>
    public void Progress(int done, int total, string text)
    {
        int parts = bar ? BarWidth : MostLines, filled = parts * done / total;
        string state = $"{done}/{total} {text}";
        if (bar)
        {
            string line = $"[{new string('#', filled).PadRight(BarWidth, '-')}] {state}";
            output.Write($"\r{line.PadRight(_drawn)}");
            _drawn = line.Length;
        }
        else if (filled > parts * (done - 1) / total)
        {
            output.WriteLine(state);
        }
    }

    private void EraseBar()
    {
        if (_drawn > 0) output.Write($"\r{new string(' ', _drawn)}\r");
        _drawn = 0;
    }

    private string Marked(string text, string style) => colour ? $"\e[{style}m{text}\e[0m" : text;
}
