using System.Collections;
using System.Runtime.CompilerServices;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>What a script can name besides its own. Public because the code that the engine compiles refers to it.</summary>
/// <param name="output">Where <see cref="Print"/> writes.</param>
/// <param name="args">The command line after the script's name.</param>
public sealed class ScriptGlobals(TextWriter output, IReadOnlyList<string> args)
{
    /// <summary>The command line after the script's name.</summary>
    public IReadOnlyList<string> Args => args;

    /// <summary>
    /// Writes a line as Python's <c>print</c> does: a tensor as PyTorch prints it, a string without quotes.
    /// </summary>
    public void Print(object? value) => output.WriteLine(
        value is string or not (null or Tensor or Module or ITuple or IEnumerable) ? $"{value}" : Echo.Text(value));
}
