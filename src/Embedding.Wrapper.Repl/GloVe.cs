using System.Globalization;

namespace EmbeddingWrapper.Repl;

/// <summary>The word vectors that come with the tour: see Data/README.md.</summary>
internal static class GloVe
{
    /// <summary>Reads a file of GloVe's text format from the folder Data beside the program.</summary>
    /// <returns>The words, the most frequent first, and their vectors, one a row.</returns>
    public static (string[] Words, float[,] Vectors) Read(string file)
    {
        string[] lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Data", file));
        var words = new string[lines.Length];
        var vectors = new float[lines.Length, lines[0].Count(' ')];
        for (int row = 0; row < lines.Length; row++)
        {
            string[] fields = lines[row].Split(' ');
            words[row] = fields[0];
            for (int column = 0; column < vectors.GetLength(1); column++)
                vectors[row, column] = float.Parse(fields[column + 1], CultureInfo.InvariantCulture);
        }
        return (words, vectors);
    }
}
