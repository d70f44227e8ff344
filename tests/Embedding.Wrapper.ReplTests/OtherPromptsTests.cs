using Microsoft.CodeAnalysis.CSharp.Scripting;
using Microsoft.CodeAnalysis.Scripting;
using static EmbeddingWrapper.ReplTests.Shared;

namespace EmbeddingWrapper.ReplTests;

/// <summary>
/// Runs the lines of docs/PROMPTS.md for the prompts that come with the SDK. csharprepl is a separate download and was tried by hand.
/// </summary>
public class OtherPromptsTests
{
    private const string FirstRow = "tensor([[-0.4339,  0.8487,  0.6920]], requires_grad=True)\n";

    private static readonly string Preludes = Path.Combine(Root, "src", "Embedding.Wrapper.Repl", "Preludes");

    [Fact]
    public async Task FSharpInteractiveShowsTensorsAsPyTorchPrintsThem()
    {
        SkipWithoutBuildOutput();
        Ran ran = await Start("dotnet", ["fsi", "--nologo", $"--use:{Path.Combine(Preludes, "prelude.fsx")}"], """
            torch.manual_seed(0L) |> ignore;;
            let embedding = new Embedding(10L, 3L);;
            embedding.Lookup(ReadOnlySpan [| 1L |]);;
            #quit;;

            """);
        Assert.Equal((0, ""), (ran.ExitCode, ran.Error));
        Assert.Contains("val embedding: Embedding = Embedding(10, 3)\n", ran.Output);
        Assert.Contains($"val it: torch.Tensor =\n  {FirstRow}", ran.Output);
    }

    [Fact]
    public async Task AProgramOfOneFileRuns()
    {
        Ran ran = await Start("dotnet", ["run", "--file", Path.Combine(Preludes, "explore.cs")]);
        Assert.Equal((0, ""), (ran.ExitCode, ran.Error));
        Assert.StartsWith("Embedding(10, 3)\ntensor([[[-0.4339,  0.8487,  0.6920],\n", ran.Output);
    }

    /// <summary>The engine of C# Interactive without our prompt.</summary>
    [Fact]
    public async Task CSharpInteractiveLoadsThePrelude()
    {
        SkipWithoutBuildOutput();
        CancellationToken cancel = TestContext.Current.CancellationToken;
        ScriptState<object> state = await CSharpScript.RunAsync(
            $"#load \"{Path.Combine(Preludes, "prelude.csx")}\"", cancellationToken: cancel);
        state = await state.ContinueWithAsync(
            "using EmbeddingWrapper; using EmbeddingWrapper.Optim; using EmbeddingWrapper.Pretrained; using TorchSharp; using static TorchSharp.torch;",
            cancellationToken: cancel);
        state = await state.ContinueWithAsync(
            "manual_seed(0); new Embedding(10, 3).Lookup(1).Repr()", cancellationToken: cancel);
        Assert.Equal(FirstRow, $"{state.ReturnValue}\n");
    }

    private static void SkipWithoutBuildOutput() => Assert.SkipUnless(
        File.Exists(Path.Combine(Preludes, "..", "bin", "Debug", "net10.0", "TorchSharp.dll")),
        "the preludes name the Debug build of the prompt, and there is none");
}
