using EmbeddingWrapper.Native;

namespace EmbeddingWrapper.Pretrained;

public sealed partial class WordVectors
{
    /// <summary>
    /// Writes the words and vectors to a safetensors file. <see cref="Load"/> opens it without reading the vectors, and other programs can open
    /// it too. The tensor <c>vectors</c> is the table, <c>words</c> (uint8) is the UTF-8 text of all words without separators, and
    /// <c>word_lengths</c> (int64) is the number of bytes of each word.
    /// </summary>
    /// <param name="path">The file to write. An existing file is replaced; if anything fails, it stays as it was.</param>
    /// <exception cref="ArgumentNullException"><paramref name="path"/> is null.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="ArgumentException"><paramref name="path"/> is empty or not a valid path.</exception>
    /// <exception cref="UnauthorizedAccessException">The file may not be written.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public void Save(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        using ReadGate.Reading reading = _gate.Enter();
        WordVectorsContainer.Write(path, _words, _vectors);
    }
}
