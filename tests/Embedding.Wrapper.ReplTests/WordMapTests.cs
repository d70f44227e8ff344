using System.Drawing;
using EmbeddingWrapper.Pretrained;
using EmbeddingWrapper.Repl;
using SkiaSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ReplTests;

/// <summary>The picture at the end of the tour.</summary>
public class WordMapTests
{
    private static readonly RectangleF Area = new(0, 0, 900, 600);

    [Fact]
    public void ThePictureIsWhereTheTourSays()
    {
        SkipWithoutFonts();
        TourStep last = TourRecorder.Record(report => new WordMap(report).Run())[^1];
        using SKBitmap picture = SKBitmap.Decode(Assert.Single(last.Results));
        Assert.Equal((1000, 760), (picture.Width, picture.Height));
        Assert.True(Ink(picture, RectangleF.FromLTRB(0, 0, 1000, 760)) > 5000);
        File.Delete(last.Results[0]);
    }

    [Fact]
    public async Task WithoutFontsTheTourSaysSoAndEndsWell()
    {
        string[] alone = ["-m", "sh", "-c", "mount -t tmpfs none /usr/share/fonts && \"$@\"", "sh"]; // a process that sees no fonts
        Assert.SkipUnless(OperatingSystem.IsLinux() && await CanRun([.. alone, "true"]), "no folder can be hidden here: that takes root");
        Ran ran = await Shared.Start("unshare", [.. alone, "dotnet", Shared.Program]);
        Assert.Equal((0, ""), (ran.ExitCode, ran.Error));
        Assert.EndsWith("\nNo picture: this system has no font to write the words with. (Debian: apt-get install fonts-dejavu-core)\n", ran.Output);

        static async Task<bool> CanRun(string[] arguments)
        {
            try
            {
                return (await Shared.Start("unshare", arguments)).ExitCode == 0;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                return false;
            }
        }
    }

    [Fact]
    public void NoLabelCoversAnotherOrAPoint()
    {
        SkipWithoutFonts();
        using var scope = NewDisposeScope();
        string file = Path.Combine(AppContext.BaseDirectory, "Data", "glove.6B.100d.sixty.txt");
        using var vectors = WordVectors.Load(file, cancellationToken: TestContext.Current.CancellationToken);
        Tensor centred = vectors.Vectors - vectors.Vectors.mean([0]);
        Tensor plane = centred.matmul(linalg.svd(centred, fullMatrices: false).Vh.narrow(0, 0, 2).t()).to(float64);
        double[] x = [.. plane.select(1, 0).contiguous().data<double>()], y = [.. plane.select(1, 1).contiguous().data<double>()];
        var plot = new ScottPlot.Plot();
        plot.Add.Markers(x, y).LegendText = "words";
        plot.ShowLegend(ScottPlot.Edge.Bottom);

        RectangleF[] labels = WordLabels.Add(plot, [.. vectors.Words], x, y, 1000, 760);

        Assert.Equal(60, labels.Length);
        string path = Path.GetTempFileName();
        plot.SavePng(path, 1000, 760);
        ScottPlot.PixelRect area = plot.RenderManager.LastRender.DataRect;
        PointF[] points = [.. x.Zip(y, (across, up) => plot.GetPixel(new ScottPlot.Coordinates(across, up))).Select(pixel => new PointF(pixel.X, pixel.Y))];
        AssertApart(labels, points, RectangleF.FromLTRB(area.Left, area.Top, area.Right, area.Bottom));
        using SKBitmap picture = SKBitmap.Decode(path);
        Assert.All(labels, label => Assert.True(Ink(picture, label) > 20, "The word was drawn elsewhere."));
        File.Delete(path);
    }

    public static TheoryData<string> Clouds => ["grid", "one place", "line", "corner", "random", "clusters"];

    [Theory]
    [MemberData(nameof(Clouds))]
    public void LabelsOfAnyCloudKeepApart(string cloud)
    {
        var random = new Random(4);
        PointF[] points = [.. Enumerable.Range(0, 60).Select(i => cloud switch
        {
            "grid" => new PointF(50 + 80 * (i % 10), 50 + 80 * (i / 10)),
            "one place" => new PointF(450, 300),
            "line" => new PointF(100 + 10 * i, 300),
            "corner" => new PointF(3 + i % 4, 3 + i % 7),
            "random" => new PointF(10 + 880 * random.NextSingle(), 10 + 580 * random.NextSingle()),
            _ => new PointF(100 + 300 * (i % 3) + 30 * random.NextSingle(), 100 + 200 * (i % 2) + 30 * random.NextSingle()),
        })];
        SizeF[] sizes = [.. points.Select(_ => new SizeF(random.Next(20, 90), 16))];

        RectangleF[] labels = WordLabels.Place(points, sizes, Area);

        Assert.Equal(sizes, labels.Select(label => label.Size));
        AssertApart(labels, points, Area);
    }

    [Fact]
    public void ALabelStandsBesideItsPointWhereThereIsRoom()
    {
        RectangleF label = Assert.Single(WordLabels.Place([new PointF(450, 300)], [new SizeF(60, 16)], Area));
        Assert.Equal((454f, 292f), (label.Left, label.Top));
        Assert.Equal([RectangleF.Empty], WordLabels.Place([new PointF(5, 5)], [new SizeF(60, 16)], new RectangleF(0, 0, 10, 10)));
    }

    private static void AssertApart(RectangleF[] labels, PointF[] points, RectangleF area)
    {
        for (int i = 0; i < labels.Length; i++)
        {
            Assert.False(labels[i].IsEmpty, $"Label {i} has no place: {labels[i]}");
            Assert.True(area.Contains(labels[i]), $"Label {i} is not inside the picture.");
            Assert.DoesNotContain(points, labels[i].Contains);
            for (int j = 0; j < i; j++) Assert.False(labels[i].IntersectsWith(labels[j]), $"Labels {i} and {j} cover each other.");
        }
    }

    /// <summary>The number of dark pixels in a part of a picture.</summary>
    private static int Ink(SKBitmap picture, RectangleF part)
    {
        int count = 0;
        for (int x = (int)part.Left; x < (int)part.Right; x++)
        {
            for (int y = (int)part.Top; y < (int)part.Bottom; y++)
            {
                if (picture.GetPixel(x, y).Red < 128) count++;
            }
        }
        return count;
    }

    private static void SkipWithoutFonts() => Assert.SkipWhen(WordLabels.Missing() is not null, $"{WordLabels.Missing()}");
}
