using EmbeddingWrapper.Native;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Pretrained;

public sealed partial class WordVectors
{
    /// <summary>
    /// Writes a folder that TensorBoard's Embedding Projector opens as it is: <c>vectors.tsv</c>, <c>metadata.tsv</c> with the words, and
    /// <c>projector_config.json</c>.
    /// </summary>
    /// <remarks>
    /// <para>
    /// <c>tensorboard --logdir folder</c> shows the vectors. TensorBoard itself reads its settings from <c>projector_config.pbtxt</c>, which
    /// is written too. The page of the Projector alone, such as https://projector.tensorflow.org, takes the two TSV files through its button
    /// "Load", or the address of <c>projector_config.json</c> after <c>?config=</c>. It looks for the TSV files beside itself.
    /// </para>
    /// <para>
    /// The Projector skips blank lines and takes a tab in the first line for a header. So a word that is empty or white space is written as
    /// <c>(empty)</c> or as its code points (<c>U+00A0</c>), and control characters within a word as visible signs (a tab as ␉).
    /// Texts of numbers are the shortest that read back the same.
    /// </para>
    /// </remarks>
    /// <param name="folder">
    /// The folder. It is created if there is none. Files of these names are replaced after all new ones have been written; if writing one
    /// of them fails, the old ones stay as they were. Other files are left alone.
    /// </param>
    /// <exception cref="ArgumentNullException"><paramref name="folder"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="folder"/> is empty or not a valid path.</exception>
    /// <exception cref="InvalidOperationException">
    /// The Projector cannot show the table: there is no word, a vector has fewer than 2 numbers, or a number is NaN or an infinity. Or the
    /// shape of <see cref="Vectors"/> was changed in place. Nothing has been written.
    /// </exception>
    /// <exception cref="IOException">A file cannot be written, or <paramref name="folder"/> is a file.</exception>
    /// <exception cref="UnauthorizedAccessException">A file may not be written.</exception>
    /// <exception cref="ObjectDisposedException">This, or <see cref="Vectors"/>, is disposed.</exception>
    public void SaveProjector(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        using ReadGate.Reading reading = _gate.Enter();
        RequireShape();
        using IDisposable grad = no_grad();
        ProjectorFiles.Write(folder, _words, _vectors);
    }
}
