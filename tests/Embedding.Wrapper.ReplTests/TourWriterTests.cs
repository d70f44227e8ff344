using EmbeddingWrapper.Repl;

namespace EmbeddingWrapper.ReplTests;

public class TourWriterTests
{
    [Fact]
    public void ProgressIsTenLinesAtMost()
    {
        IEnumerable<string> tenths = Enumerable.Range(1, 10).Select(tenth => $"{tenth * 5}/50 loss");
        Assert.Equal(Lines([.. tenths, "done"]), Written(bar: false, total: 50));
        Assert.Equal(Lines("1/3 loss", "2/3 loss", "3/3 loss", "done"), Written(bar: false, total: 3));
    }

    [Fact]
    public void OnATerminalProgressIsABarThatGivesWayToTheResult()
    {
        string[] drawn = Written(bar: true, total: 4).Split('\r');
        Assert.Equal(
            [
                "",
                "[##########------------------------------] 1/4 loss",
                "[####################--------------------] 2/4 loss",
                "[##############################----------] 3/4 loss",
                "[########################################] 4/4 loss",
                new string(' ', drawn[1].Length),
                Lines("done"),
            ],
            drawn);
    }

    [Fact]
    public void AShorterBarLeavesNothingOfTheLongerOne()
    {
        using var output = new StringWriter();
        var writer = new TourWriter(output, colour: false, bar: true);
        writer.Progress(1, 2, "long text");
        writer.Progress(2, 2, "");
        string[] drawn = output.ToString().Split('\r');
        Assert.Equal(drawn[1].Length, drawn[2].Length);
        Assert.EndsWith("] 2/2", drawn[2].TrimEnd());
    }

    private static string Written(bool bar, int total)
    {
        using var output = new StringWriter { NewLine = "\n" };
        var writer = new TourWriter(output, colour: false, bar);
        for (int done = 1; done <= total; done++) writer.Progress(done, total, "loss");
        writer.Result("done");
        return output.ToString();
    }

    private static string Lines(params IEnumerable<string> lines) => string.Concat(lines.Select(line => $"{line}\n"));
}
