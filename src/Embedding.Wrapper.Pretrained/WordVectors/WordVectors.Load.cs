namespace EmbeddingWrapper.Pretrained;

public sealed partial class WordVectors
{
    /// <summary>Reads a file of word vectors.</summary>
    /// <remarks>
    /// <para>
    /// Texts of numbers are rounded to float32 as numpy rounds them. A number that is too large becomes an infinity, as in numpy, and <c>nan</c>
    /// is read as it is. A word may contain spaces if its last part is not a number. Blank lines are skipped. A line, or a row of the binary
    /// format, has at most 16 MiB.
    /// </para>
    /// <para>
    /// Files that are compressed as <c>.gz</c> or <c>.bz2</c> are read directly, and so is a <c>.zip</c> archive that holds one file. The path may
    /// also name a pipe, such as <c>/dev/stdin</c>; a zip archive or a safetensors file cannot be read from it.
    /// The pipe is closed when the call returns or throws. A load that is cancelled while it waits for a pipe leaves the pipe open until another
    /// process writes to it or closes it.
    /// </para>
    /// <para>
    /// A header that announces N rows may be followed by N + 1 rows if the last word is <c>&lt;unk&gt;</c>, as GloVe writes them. Any other wrong
    /// number of rows is an error.
    /// </para>
    /// <para>A safetensors file is mapped into memory instead of being read, unless only some of its rows are kept: see <see cref="SafeTensorsFile"/>.</para>
    /// </remarks>
    /// <param name="path">The file.</param>
    /// <param name="format">The format. Default: detected from the content of the file; of a compressed file, from the uncompressed content.</param>
    /// <param name="limit">
    /// The largest number of rows to keep, from the top. Duplicates count; rows left out by <paramref name="undecodable"/> or
    /// <paramref name="only"/> do not. The rows after the last of them are not read. Default: all rows.
    /// </param>
    /// <param name="progress">Is called after about each megabyte, on the calling thread. Default: none.</param>
    /// <param name="cancellationToken">Cancels the load, also while it waits for a pipe. Default: it is never cancelled.</param>
    /// <param name="undecodable">What happens to words that are not valid UTF-8. Default: the load ends with an exception.</param>
    /// <param name="only">
    /// The words to keep. Other rows are passed over: their numbers are not parsed or checked, and words that are not valid UTF-8 are among them.
    /// Reading ends when all words of a <see cref="HashSet{T}"/> with the default comparer have been found; other sets are asked by
    /// <see cref="IReadOnlySet{T}.Contains"/> for the word of each row. Default: null, all words.
    /// </param>
    /// <returns>The words and vectors. The caller disposes them.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="limit"/> is negative, or <paramref name="format"/> or <paramref name="undecodable"/> has no such value.
    /// </exception>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, has another format, or is a zip archive of several files. The message names the file, the line or byte, and the fault.
    /// </exception>
    /// <exception cref="NotSupportedException">A zip archive or a safetensors file comes from a pipe.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty or not a valid path.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be read, or it is a folder.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public static WordVectors Load(string path, WordVectorsFormat format = WordVectorsFormat.Auto, int? limit = null,
        IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default,
        UndecodableText undecodable = UndecodableText.Throw, IReadOnlySet<string>? only = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        LoadOptions options = Options(format, limit, progress, cancellationToken, undecodable, only);
        using VectorStream file = VectorStream.Open(path, cancellationToken);
        return Load(file, format, options);
    }

    /// <summary>Reads word vectors from a stream, from its position up to the end or to <paramref name="limit"/>. The stream stays open.</summary>
    /// <remarks>
    /// More bytes may be taken from the stream than the vectors need. A call of the stream's <c>Read</c> that waits is not interrupted by
    /// <paramref name="cancellationToken"/>. The formats are those of
    /// <see cref="Load(string, WordVectorsFormat, int?, IProgress{LoadProgress}?, CancellationToken, UndecodableText, IReadOnlySet{string}?)"/>.
    /// </remarks>
    /// <param name="stream">The stream. It need not be able to seek, except for a zip archive, which must begin at its start.</param>
    /// <param name="format">The format. Default: detected from the content; of compressed data, from the uncompressed content.</param>
    /// <param name="limit">The largest number of rows to keep, from the top. Default: all rows.</param>
    /// <param name="progress">Is called after about each megabyte, on the calling thread. Default: none.</param>
    /// <param name="cancellationToken">Cancels the load. Default: it is never cancelled.</param>
    /// <param name="undecodable">What happens to words that are not valid UTF-8. Default: the load ends with an exception.</param>
    /// <param name="only">The words to keep. Default: null, all words.</param>
    /// <returns>The words and vectors. The caller disposes them.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="stream"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="stream"/> cannot be read.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// <paramref name="limit"/> is negative, or <paramref name="format"/> or <paramref name="undecodable"/> has no such value.
    /// </exception>
    /// <exception cref="InvalidDataException">
    /// The data are damaged, have another format, or are a zip archive of several files. The message names the line or byte and the fault.
    /// </exception>
    /// <exception cref="NotSupportedException">The stream holds a safetensors file, or a zip archive and cannot seek.</exception>
    /// <exception cref="IOException">The stream cannot be read.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="stream"/> is disposed.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    public static WordVectors Load(Stream stream, WordVectorsFormat format = WordVectorsFormat.Auto, int? limit = null,
        IProgress<LoadProgress>? progress = null, CancellationToken cancellationToken = default,
        UndecodableText undecodable = UndecodableText.Throw, IReadOnlySet<string>? only = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        LoadOptions options = Options(format, limit, progress, cancellationToken, undecodable, only);
        if (!stream.CanRead) throw new ArgumentException("The stream cannot be read.", nameof(stream));
        using VectorStream file = VectorStream.Open(stream, cancellationToken);
        return Load(file, format, options);
    }

    private static LoadOptions Options(WordVectorsFormat format, int? limit, IProgress<LoadProgress>? progress,
        CancellationToken cancellationToken, UndecodableText undecodable, IReadOnlySet<string>? only)
    {
        if (limit is int most) Guard.ThrowIfNegative(most, nameof(limit));
        if (!Enum.IsDefined(format)) throw new ArgumentOutOfRangeException(nameof(format), format, "There is no such format.");
        if (!Enum.IsDefined(undecodable)) throw new ArgumentOutOfRangeException(nameof(undecodable), undecodable, "There is no such value.");
        cancellationToken.ThrowIfCancellationRequested();
        return new LoadOptions(limit, progress, cancellationToken, new WordFilter(undecodable, only));
    }

    private static WordVectors Load(VectorStream file, WordVectorsFormat format, LoadOptions options)
    {
        if (format == WordVectorsFormat.Auto)
        {
            if (file.Foreign() is InvalidDataException foreign) throw foreign;
            format = FormatDetection.Of(file);
        }
        try
        {
            return format switch
            {
                WordVectorsFormat.SafeTensors => WordVectorsContainer.Read(file, options),
                WordVectorsFormat.Word2VecBinary => RowReader.Read(new Word2VecBinaryFormat(file, options.Words), options),
                WordVectorsFormat.Word2VecText => RowReader.Read(new Word2VecTextFormat(file, options.Words), options),
                _ => RowReader.Read(new GloveTextFormat(file, options.Words), options),
            };
        }
        catch (InvalidDataException) when (file.Foreign() is not null)
        {
            throw file.Foreign()!;
        }
    }
}
