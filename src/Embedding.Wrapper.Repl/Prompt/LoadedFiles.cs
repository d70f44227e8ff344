using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>Reads the files of <c>#load</c> as <see cref="Session.Run"/> reads a script.</summary>
/// <param name="folder">Where relative paths begin.</param>
/// <param name="withChecks">Puts <see cref="LoopChecks"/> into them.</param>
internal sealed class LoadedFiles(string folder, bool withChecks) : SourceFileResolver([], folder)
{
    private readonly bool _withChecks = withChecks;

    public override SourceText ReadText(string resolvedPath)
    {
        SourceText file = base.ReadText(resolvedPath);
        string text = Submission.WithoutUsingVar(file.ToString());
        return SourceText.From(_withChecks ? LoopChecks.AddTo(text) : text, file.Encoding ?? Encoding.UTF8, file.ChecksumAlgorithm);
    }

    public override bool Equals(object? obj) => base.Equals(obj) && ((LoadedFiles)obj)._withChecks == _withChecks;

    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), _withChecks);
}
