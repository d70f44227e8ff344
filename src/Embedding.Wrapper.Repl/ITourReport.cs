namespace EmbeddingWrapper.Repl;

/// <summary>Hears of a tour's steps as they run.</summary>
internal interface ITourReport
{
    /// <summary>A step is about to run.</summary>
    /// <param name="heading">What it shows, on one line.</param>
    /// <param name="code">The C# that runs.</param>
    void Begin(string heading, string code);

    /// <summary>The step printed something; a tensor may take several lines.</summary>
    void Result(string text);

    /// <summary>A step that takes seconds has done a part of its work.</summary>
    /// <param name="done">Parts done, from 1.</param>
    /// <param name="total">Parts in all.</param>
    /// <param name="text">How things stand, in a few words.</param>
    void Progress(int done, int total, string text);
}
