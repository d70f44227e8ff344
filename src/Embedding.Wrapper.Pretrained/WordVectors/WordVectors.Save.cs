using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

public sealed partial class WordVectors
{
    /// <summary>Writes the words and vectors to a file, in a format that <c>Load</c> reads.</summary>
    /// <remarks>
    /// <para>
    /// The default is a safetensors file. <c>Load</c> opens it without reading the vectors, and other programs can open it too. The tensor
    /// <c>vectors</c> is the table, <c>words</c> (uint8) is the UTF-8 text of all words without separators, and <c>word_lengths</c> (int64) is
    /// the number of bytes of each word. Only this format holds any word.
    /// </para>
    /// <para>
    /// gensim reads the other formats: <c>load_word2vec_format(path)</c>, with <c>binary=True</c> or <c>no_header=True</c> where that applies.
    /// Texts of numbers are the shortest that read back the same.
    /// </para>
    /// </remarks>
    /// <param name="path">The file to write. An existing file is replaced; if anything fails, it stays as it was.</param>
    /// <param name="format">The format. Default: safetensors.</param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="format"/> is <see cref="WordVectorsFormat.Auto"/>, or there is no such format.</exception>
    /// <exception cref="ArgumentException">
    /// <paramref name="path"/> is empty or not a valid path; or <paramref name="format"/> cannot hold a word (a text format: one that is empty or
    /// contains white space; binary: one that is empty, contains a space or a line feed, or has 64 KiB), a table without words (GloVe), or so many
    /// dimensions.
    /// </exception>
    /// <exception cref="InvalidOperationException">The shape of <see cref="Vectors"/> was changed in place.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public void Save(string path, WordVectorsFormat format = WordVectorsFormat.SafeTensors)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (format == WordVectorsFormat.Auto || !Enum.IsDefined(format))
            throw new ArgumentOutOfRangeException(nameof(format), format, "This is not a format to write.");
        using ReadGate.Reading reading = _gate.Enter();
        RequireShape();
        using IDisposable grad = no_grad();
        if (format == WordVectorsFormat.SafeTensors) WordVectorsContainer.Write(path, _words, _vectors);
        else WordVectorsWriter.Write(path, _words, _vectors, format);
    }
}
