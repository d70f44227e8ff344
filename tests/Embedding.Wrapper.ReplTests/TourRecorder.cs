using EmbeddingWrapper.Repl;

namespace EmbeddingWrapper.ReplTests;

/// <summary>A step of a tour that has run.</summary>
internal sealed record TourStep(string Heading, string Code)
{
    public List<string> Results { get; } = [];

    public List<string> Progress { get; } = [];
}

/// <summary>Keeps what a tour reports.</summary>
internal sealed class TourRecorder : ITourReport
{
    private readonly List<TourStep> _steps = [];

    public static List<TourStep> Record(Action<ITourReport> tour)
    {
        var recorder = new TourRecorder();
        tour(recorder);
        return recorder._steps;
    }

    public void Begin(string heading, string code) => _steps.Add(new TourStep(heading, code));

    public void Result(string text) => _steps[^1].Results.Add(text);

    public void Progress(int done, int total, string text) => _steps[^1].Progress.Add($"{done}/{total} {text}");
}
