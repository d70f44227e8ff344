using EmbeddingWrapper.Native;

namespace EmbeddingWrapper.Pretrained;

public sealed partial class WordVectors
{
    /// <summary>Reads a file of word vectors.</summary>
    /// <remarks>
    /// <para>
    /// Numbers become the float32 that numpy makes of them. A <c>nan</c> is a fault; a number that is too large is an infinity, as for
    /// numpy. A word may hold spaces if its last part is no number. Blank lines are skipped. A line, or a row in binary, has at most
    /// 16 MiB.
    /// </para>
    /// <para>A file of <see cref="Save"/> is not read but mapped into memory: <see cref="SafeTensorsFile"/> says what follows from that.</para>
    /// </remarks>
    /// <param name="path">The file.</param>
    /// <param name="format">Its format. Default: found by looking at the file, at what is packed in it if it is a <c>.gz</c>.</param>
    /// <param name="limit">The most rows to read, from the top, duplicates counted. Default: all.</param>
    /// <param name="progress">Is told after each megabyte or so, on this thread. Default: nobody.</param>
    /// <param name="cancellationToken">Ends the reading. Default: never.</param>
    /// <returns>The words and vectors. The caller disposes them.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="limit"/> is negative, or there is no such <paramref name="format"/>.</exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is damaged; the message names it, the line or byte, and the fault.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty or no path.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or is a folder.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public static WordVectors Load(string path, WordVectorsFormat format = WordVectorsFormat.Auto,
        int? limit = null, IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (limit is int most) ArgumentOutOfRangeException.ThrowIfNegative(most, nameof(limit));
        if (!Enum.IsDefined(format)) throw new ArgumentOutOfRangeException(nameof(format), format, "There is no such format.");
        cancellationToken.ThrowIfCancellationRequested();

        var control = new LoadControl(limit, progress, cancellationToken);
        using var file = new VectorStream(path);
        if (format == WordVectorsFormat.Auto)
        {
            if (WordVectorsContainer.Is(file)) return WordVectorsContainer.Read(file, control);
            format = FormatDetection.Of(file.Start);
        }
        RowFormat rows = format switch
        {
            WordVectorsFormat.Word2VecBinary => new Word2VecBinaryFormat(file),
            WordVectorsFormat.Word2VecText => new Word2VecTextFormat(file),
            _ => new GloveTextFormat(file),
        };
        return RowReader.Read(rows, control);
    }

    /// <summary>
    /// Writes the words and vectors to a safetensors file, which <see cref="Load"/> opens without reading the vectors, and other
    /// programs open too: <c>vectors</c> is the table; the UTF-8 bytes of the words stand one after the other in <c>words</c> (uint8),
    /// and how many each has in <c>word_lengths</c> (int64).
    /// </summary>
    /// <param name="path">Where to. A file that is there is replaced; if anything fails, it stays as it was.</param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty or no path.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public void Save(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using ReadGate.Reading reading = _gate.Enter();
        WordVectorsContainer.Write(path, _words, _vectors);
    }
}
