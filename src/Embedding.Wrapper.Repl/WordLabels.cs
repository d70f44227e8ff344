using System.Drawing;
using ScottPlot;
using SkiaSharp;

namespace EmbeddingWrapper.Repl;

/// <summary>Writes words beside the points of a plot, so that no word covers another word or a point.</summary>
internal static class WordLabels
{
    private const float FontSize = 13, PointSize = 8, Gap = 4; // between two words
    private const float Near = 4; // a label that is farther from its point, in pixels, gets a line to it

    /// <summary>Why no picture can be drawn, or null if one can.</summary>
    public static string? Missing()
    {
        try
        {
            return Font() is null
                ? "No picture: this system has no font to write the words with. (Debian: apt-get install fonts-dejavu-core)"
                : null;
        }
        catch (Exception error) when (error is DllNotFoundException or TypeInitializationException)
        {
            return $"No picture: the native library of SkiaSharp does not load. {error.GetBaseException().Message.Split('\n')[0]}";
        }
    }

    /// <summary>A font that has letters. A system without fonts has one without a name that has none.</summary>
    private static string? Font()
    {
        string[] preferred = ["DejaVu Sans", "Liberation Sans", "Noto Sans", "Segoe UI", "Helvetica"];
        return SKFontManager.Default.FontFamilies.OrderByDescending(preferred.Contains).FirstOrDefault(name =>
        {
            using SKTypeface? typeface = SKFontManager.Default.MatchFamily(name);
            return typeface?.ContainsGlyphs("az") == true;
        });
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
        plot.Font.Set(Font()!);
        plot.RenderInMemory(width, height);
        AxisLimits limits = plot.Axes.GetLimits();
        PixelRect area = plot.RenderManager.LastRender.DataRect;
        plot.Axes.SetLimits(limits);

        using Paint paint = Paint.NewDisposablePaint();
        IEnumerable<Pixel> pixels = x.Zip(y, (across, up) => plot.GetPixel(new Coordinates(across, up)));
        PointF[] points = [.. pixels.Select(pixel => new PointF(pixel.X, pixel.Y))];
        SizeF[] sizes = [.. words.Select(word =>
        {
            MeasuredText measured = new LabelStyle { Text = word, FontSize = FontSize }.Measure(word, paint);
            return new SizeF(measured.Width + Gap, measured.Height);
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

    /// <summary>Finds a place for the label of each point. Only where there is no other place, a line to a point crosses a label.</summary>
    /// <returns>The rectangles; empty where no place was free.</returns>
    public static RectangleF[] Place(PointF[] points, SizeF[] sizes, RectangleF area)
    {
        const int attempts = 12;
        const float crowd = 60;

        // The crowded points first. Those of a crowd in some orders, of which the one with the shortest lines is taken.
        var random = new Random(1);
        return Enumerable.Range(0, attempts)
            .Select(_ => Enumerable.Range(0, points.Length)
                .OrderByDescending(i => points.Count(point => Distance(point, points[i]) < crowd)).ThenBy(_ => random.Next()))
            .Select(order => PlaceInOrder(order, points, sizes, area))
            .MinBy(Cost)!;

        float Cost(RectangleF[] places)
        {
            float cost = 0;
            for (int i = 0; i < points.Length; i++)
            {
                PointF end = Nearest(places[i], points[i]);
                int crossed = places.Count(other => other != places[i] && Crosses(points[i], end, other));
                cost += places[i].IsEmpty ? area.Width + area.Height : Distance(end, points[i]) + crossed * crowd;
            }
            return cost;
        }
    }

    /// <summary>One label after the other, as near to its point as it goes.</summary>
    private static RectangleF[] PlaceInOrder(IEnumerable<int> order, PointF[] points, SizeF[] sizes, RectangleF area)
    {
        const int directions = 24, rings = 60;
        const float step = 4;

        var places = new RectangleF[points.Length];
        const float half = PointSize / 2;
        RectangleF[] dots = [.. points.Select(point => new RectangleF(point.X - half, point.Y - half, PointSize, PointSize))];
        var labels = new List<RectangleF>();
        var lines = new List<(PointF From, PointF To)>();
        foreach (int i in order)
        {
            RectangleF place = First(rings, candidate => IsFree(candidate) && CrossesNo(labels, candidate) && CrossesNo(dots, candidate));
            if (place.IsEmpty) place = First(rings, candidate => IsFree(candidate) && CrossesNo(labels, candidate));
            if (place.IsEmpty) place = First((int)((area.Width + area.Height) / step), IsApart);
            places[i] = place;
            if (place.IsEmpty) continue;
            labels.Add(place);
            lines.Add((points[i], Nearest(place, points[i])));

            RectangleF First(int count, Func<RectangleF, bool> isGood) => (
                from ring in Enumerable.Range(0, count)
                from direction in Enumerable.Range(0, directions)
                select Beside(points[i], sizes[i], Near + ring * step, direction * Math.Tau / directions)).FirstOrDefault(isGood);

            bool IsApart(RectangleF candidate) =>
                area.Contains(candidate) && !labels.Exists(candidate.IntersectsWith) && !Array.Exists(dots, candidate.IntersectsWith);

            bool IsFree(RectangleF candidate) => IsApart(candidate) && !lines.Exists(line => Crosses(line.From, line.To, candidate));

            bool CrossesNo(IEnumerable<RectangleF> others, RectangleF candidate) =>
                !others.Any(other => !other.Contains(points[i]) && Crosses(points[i], Nearest(candidate, points[i]), other));
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

    /// <summary>Whether a part of a line is inside a rectangle.</summary>
    private static bool Crosses(PointF from, PointF to, RectangleF place)
    {
        // The part of the line, from 0 to 1, that is between the left and right sides, and then also between the other two.
        (float start, float end) = (0, 1);
        return Narrow(from.X, to.X - from.X, place.Left, place.Right) && Narrow(from.Y, to.Y - from.Y, place.Top, place.Bottom);

        bool Narrow(float at, float by, float low, float high)
        {
            if (by == 0) return low < at && at < high;
            (float first, float second) = ((low - at) / by, (high - at) / by);
            start = Math.Max(start, Math.Min(first, second));
            end = Math.Min(end, Math.Max(first, second));
            return start < end;
        }
    }

    private static float Distance(PointF a, PointF b) => MathF.Sqrt((a.X - b.X) * (a.X - b.X) + (a.Y - b.Y) * (a.Y - b.Y));
}
