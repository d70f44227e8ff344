namespace EmbeddingWrapper.Repl;

/// <summary>Writes the steps of a tour for a reader.</summary>
/// <param name="output">Where to.</param>
/// <param name="colour">Marks headings and code for a terminal.</param>
internal sealed class TourWriter(TextWriter output, bool colour)
{
    private const string Bold = "1", Cyan = "36";

    private int _steps;

    /// <summary>What a reader must know before the first step.</summary>
    public void Opening()
    {
        output.WriteLine("""
            A guided tour of Embedding.Wrapper. Each step shows the C# that it runs, then its result.

            To run a step of your own: using EmbeddingWrapper; using TorchSharp;
            Print(x) writes x.Repr() for a tensor and x.ToString() for anything else. Tensors that a step leaves behind
            are disposed by a torch.NewDisposeScope() around it.
            """);
    }

    /// <summary>One step: its heading, its code, its result.</summary>
    public void Step(TourStep step)
    {
        output.WriteLine();
        output.WriteLine(Marked($"{++_steps}. {step.Heading}", Bold));
        output.WriteLine();
        foreach (string line in step.Code.Split('\n')) output.WriteLine(line.Length > 0 ? $"    {Marked(line, Cyan)}" : "");
        output.WriteLine();
        foreach (string result in step.Results) output.WriteLine(result);
    }

    private string Marked(string text, string style) => colour ? $"\e[{style}m{text}\e[0m" : text;
}
