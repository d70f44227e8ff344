using EmbeddingWrapper.Pretrained;
using TorchSharp;

namespace EmbeddingWrapper.Repl;

/// <summary>Sixty words as a picture. The steps build on each other.</summary>
/// <inheritdoc cref="Tour(ITourReport)"/>
internal sealed class WordMap(ITourReport report) : Tour(report)
{
    /// <summary>Runs all steps.</summary>
    public void Run()
    {
        string[] words = [];
        double[] x = [], y = [];

        Step("Sixty words, and the two directions in which their vectors differ most: their principal components", () =>
        {
            using var vectors = WordVectors.Load(Path.Combine(AppContext.BaseDirectory, "Data", "glove.6B.100d.sixty.txt"));
            var table = vectors.Vectors.to(torch.float64);
            var centred = table - table.mean([0]);
            var (_, deviations, axes) = torch.linalg.svd(centred, fullMatrices: false);
            var plane = centred.matmul(axes.narrow(0, 0, 2).t());     // [60, 2]
            plane *= plane[0].sign();                                 // an axis has no direction of its own: "one" is positive here
            var share = deviations.square() / deviations.square().sum();

            words = [.. vectors.Words];
            x = [.. plane.select(1, 0).contiguous().data<double>()];
            y = [.. plane.select(1, 1).contiguous().data<double>()];
            Print($"share of the variance: {share[0].item<double>():F4} and {share[1].item<double>():F4}");
            foreach (string word in new[] { "one", "july", "danube", "germany", "dog" })
            {
                int i = Array.IndexOf(words, word);
                Print($"{word}: {x[i]:F3}, {y[i]:F3}");
            }
        });

        Step("A map of the words, drawn with ScottPlot", () =>
        {
            if (WordLabels.Missing() is string missing)
            {
                Print(missing);
                return;
            }
            var plot = new ScottPlot.Plot();
            plot.Title("Sixty words of GloVe in the plane of their two principal components");
            plot.HideGrid();
            string[] groups = ["numbers", "months", "rivers", "countries", "animals"];
            for (int i = 0; i < groups.Length; i++)
            {
                var twelve = (12 * i)..(12 * i + 12);
                plot.Add.Markers(x[twelve], y[twelve], size: 7).LegendText = groups[i];
            }
            plot.ShowLegend(ScottPlot.Edge.Bottom);
            WordLabels.Add(plot, words, x, y, width: 1000, height: 760); // where they cover no other label

            string path = Path.Combine(AppContext.BaseDirectory, "words.png");
            plot.SavePng(path, width: 1000, height: 760);
            Print(path);
        });
    }
}
