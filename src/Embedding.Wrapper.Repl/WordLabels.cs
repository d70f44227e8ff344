using System.Drawing;
using ScottPlot;
using SkiaSharp;

namespace EmbeddingWrapper.Repl;

/// <summary>Writes words beside the points of a plot, so that no word covers another word or a point.</summary>
internal static class WordLabels
{
    private const float FontSize = 13, PointSize = 8;
    private const float Near = 4; // a label that is farther from its point, in pixels, gets a line to it

    /// <summary>Why no picture can be drawn, or null if one can.</summary>
    public static string? Missing()
    {
        try
        {
            return SKFontManager.Default.FontFamilyCount > 0
                ? null
                : "No picture: this system has no font to write the words with. (Debian: apt-get install fonts-dejavu-core)";
        }
        catch (Exception error) when (error is DllNotFoundException or TypeInitializationException)
        {
            return $"No picture: the native library of SkiaSharp does not load. {error.GetBaseException().Message.Split('\n')[0]}";
        }
    }

    /// <summary>Adds a label for each point, and a line to it where the label is not beside the point.</summary>
    /// <param name="plot">The plot. Its limits are fixed.</param>
    /// <param name="words">A word for each point.</param>
    /// <param name="x">The points.</param>
    /// <param name="y">The points.</param>
    /// <param name="width">The size in pixels that the picture will have.</param>
    /// <param name="height">The size in pixels that the picture will have.</param>
    /// <returns>The place of each label in the picture; empty where there was none.</returns>
    public static RectangleF[] Add(Plot plot, string[] words, double[] x, double[] y, int width, int height)
    {
        plot.RenderInMemory(width, height);
        AxisLimits limits = plot.Axes.GetLimits();
        PixelRect area = plot.RenderManager.LastRender.DataRect;
        plot.Axes.SetLimits(limits);

        using Paint paint = Paint.NewDisposablePaint();
        PointF[] points = [.. x.Zip(y, (across, up) => plot.GetPixel(new Coordinates(across, up))).Select(pixel => new PointF(pixel.X, pixel.Y))];
        SizeF[] sizes = [.. words.Select(word =>
        {
            MeasuredText measured = new LabelStyle { Text = word, FontSize = FontSize }.Measure(word, paint);
            return new SizeF(measured.Width, measured.Height);
        })];
        RectangleF[] places = Place(points, sizes, RectangleF.FromLTRB(area.Left, area.Top, area.Right, area.Bottom));
        for (int i = 0; i < words.Length; i++)
        {
            if (places[i].IsEmpty) continue;
            PointF centre = new(places[i].X + places[i].Width / 2, places[i].Y + places[i].Height / 2), end = Nearest(places[i], points[i]);
            if (Distance(end, points[i]) > 2 * Near)
            {
                ScottPlot.Plottables.LinePlot line = plot.Add.Line(new Coordinates(x[i], y[i]), plot.GetCoordinates(end.X, end.Y));
                line.LineColor = Colors.Gray.WithAlpha(0.6);
                line.LineWidth = 0.7f;
            }
            ScottPlot.Plottables.Text label = plot.Add.Text(words[i], plot.GetCoordinates(centre.X, centre.Y));
            label.LabelFontSize = FontSize;
            label.LabelAlignment = ScottPlot.Alignment.MiddleCenter;
        }
        return places;
    }

    /// <summary>
    /// Finds a place for the label of each point: one after the other, the crowded ones first, as near to the point as it goes. Only where
    /// there is no other place, a line to a point crosses a label.
    /// </summary>
    /// <returns>The rectangles; empty where no place was free.</returns>
    public static RectangleF[] Place(PointF[] points, SizeF[] sizes, RectangleF area)
    {
        const int directions = 24, rings = 40;
        const float step = 4, crowd = 60;

        var places = new RectangleF[points.Length];
        var taken = points.Select(point => new RectangleF(point.X - PointSize / 2, point.Y - PointSize / 2, PointSize, PointSize)).ToList();
        var lines = new List<(PointF From, PointF To)>();
        IEnumerable<int> order = Enumerable.Range(0, points.Length)
            .OrderByDescending(i => points.Count(point => Distance(point, points[i]) < crowd));
        foreach (int i in order)
        {
            RectangleF place = Candidates(rings).FirstOrDefault(candidate => IsApart(candidate) && CrossesNothing(candidate));
            if (place.IsEmpty) place = Candidates((int)((area.Width + area.Height) / step)).FirstOrDefault(IsApart);
            places[i] = place;
            if (place.IsEmpty) continue;
            taken.Add(place);
            lines.Add((points[i], Nearest(place, points[i])));

            IEnumerable<RectangleF> Candidates(int count) =>
                from ring in Enumerable.Range(0, count)
                from direction in Enumerable.Range(0, directions)
                select Beside(points[i], sizes[i], Near + ring * step, direction * Math.Tau / directions);

            bool IsApart(RectangleF candidate) => area.Contains(candidate) && !taken.Exists(candidate.IntersectsWith);

            bool CrossesNothing(RectangleF candidate) =>
                !lines.Exists(line => Crosses(line.From, line.To, candidate))
                && !taken.Exists(other => !other.Contains(points[i]) && Crosses(points[i], Nearest(candidate, points[i]), other));
        }
        return places;
    }

    private static RectangleF Beside(PointF point, SizeF size, float distance, double direction)
    {
        float x = point.X + (float)Math.Cos(direction) * (distance + size.Width / 2);
        float y = point.Y + (float)Math.Sin(direction) * (distance + size.Height / 2);
        return new RectangleF(x - size.Width / 2, y - size.Height / 2, size.Width, size.Height);
    }

    private static PointF Nearest(RectangleF place, PointF point) =>
        new(Math.Clamp(point.X, place.Left, place.Right), Math.Clamp(point.Y, place.Top, place.Bottom));

    private static bool Crosses(PointF from, PointF to, RectangleF place)
    {
        int steps = (int)Distance(from, to) + 1; // a point on each pixel
        return Enumerable.Range(0, steps).Any(i => place.Contains(from.X + (to.X - from.X) * i / steps, from.Y + (to.Y - from.Y) * i / steps));
    }

    private static float Distance(PointF a, PointF b) => MathF.Sqrt((a.X - b.X) * (a.X - b.X) + (a.Y - b.Y) * (a.Y - b.Y));
}
