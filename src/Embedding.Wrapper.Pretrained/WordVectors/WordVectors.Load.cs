namespace EmbeddingWrapper.Pretrained;

public sealed partial class WordVectors
{
    /// <summary>Reads a file of word vectors.</summary>
    /// <remarks>
    /// <para>
    /// Texts of numbers are rounded to float32 as numpy rounds them. A number that is too large becomes an infinity, as in numpy. A <c>nan</c>
    /// is a fault. A word may contain spaces if its last part is not a number. Blank lines are skipped. A line, or a row of the binary format,
    /// has at most 16 MiB.
    /// </para>
    /// <para>A file written by <see cref="Save"/> is mapped into memory instead of being read: see <see cref="SafeTensorsFile"/>.</para>
    /// </remarks>
    /// <param name="path">The file.</param>
    /// <param name="format">The format. Default: detected from the content of the file; of a <c>.gz</c> file, from the uncompressed content.</param>
    /// <param name="limit">The largest number of rows to read, from the top. Duplicates count. Default: all rows.</param>
    /// <param name="progress">Is called after about each megabyte, on the calling thread. Default: none.</param>
    /// <param name="cancellationToken">Cancels the load. Default: it is never cancelled.</param>
    /// <returns>The words and vectors. The caller disposes them.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="limit"/> is negative, or there is no such <paramref name="format"/>.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged. The message names the file, the line or byte, and the fault.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty or not a valid path.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or it is a folder.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public static WordVectors Load(string path, WordVectorsFormat format = WordVectorsFormat.Auto,
        int? limit = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (limit is int most) ArgumentOutOfRangeException.ThrowIfNegative(most, nameof(limit));
        if (!Enum.IsDefined(format)) throw new ArgumentOutOfRangeException(nameof(format), format, "There is no such format.");
        cancellationToken.ThrowIfCancellationRequested();

        var options = new LoadOptions(limit, progress, cancellationToken);
        using var file = new VectorStream(path);
        if (format == WordVectorsFormat.Auto)
        {
            if (WordVectorsContainer.Is(file)) return WordVectorsContainer.Read(file, options);
            format = FormatDetection.Of(file.Start);
        }
        RowFormat rows = format switch
        {
            WordVectorsFormat.Word2VecBinary => new Word2VecBinaryFormat(file),
            WordVectorsFormat.Word2VecText => new Word2VecTextFormat(file),
            _ => new GloveTextFormat(file),
        };
        return RowReader.Read(rows, options);
    }
}
