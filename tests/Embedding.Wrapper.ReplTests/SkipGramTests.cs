using System.Globalization;
using System.Text.RegularExpressions;
using EmbeddingWrapper.Repl;
using static EmbeddingWrapper.Tests.TensorCount;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ReplTests;

/// <summary>The example learns. Its last digits depend on the processor, so its numbers are compared with each other.</summary>
public partial class SkipGramTests(SkipGramTests.Trained trained) : IClassFixture<SkipGramTests.Trained>
{
    /// <summary>Fewer epochs than in the tour, to save time.</summary>
    private const int Epochs = 12;

    /// <summary>One run that the tests share.</summary>
    public sealed class Trained
    {
        internal List<TourStep> Steps { get; } = Train();
    }

    [Fact]
    public void TheLossFalls()
    {
        TourStep training = Assert.Single(trained.Steps, step => step.Progress.Count > 0);
        float[] printed = Numbers(Assert.Single(training.Results));
        float[] epochs = [.. training.Progress.Select(line => Numbers(line).Single())];

        // Zeros in one table make every score 0, so each of the six words costs ln 2.
        Assert.Equal(6 * Math.Log(2), printed[0], 1e-3);
        Assert.Equal(epochs[^1], printed[1]);
        Assert.Equal(Epochs, epochs.Length);
        Assert.True(epochs[0] < printed[0]);
        Assert.True(epochs[^1] < epochs[0]);
        Assert.True(printed[1] < 0.65 * printed[0]);
    }

    [Fact]
    public void WordsThatEndUpNearStandTogetherInTheTextMoreThanThoseThatWereNear()
    {
        string[] text = Text();
        List<TourStep> shown = trained.Steps.FindAll(step => step.Results.All(result => Nearest().IsMatch(result)));
        Assert.Equal(2, shown.Count);
        for (int i = 0; i < 3; i++)
        {
            (string word, string[] before) = Parse(shown[0].Results[i]);
            (string same, string[] after) = Parse(shown[1].Results[i]);
            Assert.Equal(word, same);
            int chance = Together(text, word, before), learned = Together(text, word, after);
            string claim = $"{word}: {learned} with {string.Join(' ', after)}, {chance} with {string.Join(' ', before)}";
            Assert.True(learned > 2 * chance, claim);
        }
    }

    [Fact]
    public void TheNearestWordIsTheOtherHalfOfAName()
    {
        Dictionary<string, string[]> nearest = trained.Steps[^1].Results.Select(Parse).ToDictionary();
        Assert.Equal("march", nearest["hare"][0]);
        Assert.Equal("mock", nearest["turtle"][0]);
    }

    [Fact]
    public void TwoRunsAreTheSame()
    {
        List<TourStep> again = Train();
        Assert.Equal(trained.Steps.SelectMany(step => step.Results), again.SelectMany(step => step.Results));
        Assert.Equal(trained.Steps.SelectMany(step => step.Progress), again.SelectMany(step => step.Progress));
    }

    [Fact]
    public void TrainingLeavesNeitherTensorsNorItsNumberOfThreadsBehind()
    {
        int threads = get_num_threads();
        long countedTwice = CountedTwice(), before = LiveTensors();

        new SkipGram(new TourRecorder(), epochs: 1).Run();

        Assert.Equal(before + 2 * countedTwice, Tensor.TotalCount);
        Assert.Equal(threads, get_num_threads());
    }

    private static List<TourStep> Train() => TourRecorder.Record(report => new SkipGram(report, Epochs).Run());

    /// <summary>Counts how often one of <paramref name="others"/> is within five words of <paramref name="word"/>.</summary>
    private static int Together(string[] text, string word, string[] others) =>
        Enumerable.Range(0, text.Length).Where(i => text[i] == word)
            .Sum(i => text[Math.Max(0, i - 5)..Math.Min(text.Length, i + 6)].Count(others.Contains));

    private static string[] Text()
    {
        string book = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "alice.chapters7-10.txt"));
        return [.. Regex.Matches(book.ToLowerInvariant(), "[a-z]+('[a-z]+)?").Select(match => match.Value)];
    }

    private static (string Word, string[] Nearest) Parse(string result)
    {
        Match match = Nearest().Match(result);
        return (match.Groups["word"].Value, [.. match.Groups["near"].Captures.Select(capture => capture.Value)]);
    }

    private static float[] Numbers(string text) =>
        [.. Decimal().Matches(text).Select(match => float.Parse(match.Value, CultureInfo.InvariantCulture))];

    [GeneratedRegex(@"^(?<word>[a-z']+):(,? (?<near>[a-z']+) -?[\d.]+){5}$")]
    private static partial Regex Nearest();

    [GeneratedRegex(@"\d+\.\d+")]
    private static partial Regex Decimal();
}
