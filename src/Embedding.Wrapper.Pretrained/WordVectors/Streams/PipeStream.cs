using System.Runtime.ExceptionServices;

namespace EmbeddingWrapper.Pretrained;

/// <summary>
/// Reads a pipe or a device. Both can wait without an end for another process, when they are opened and when they are read. A thread of its
/// own does the waiting, so that a load can be cancelled meanwhile. If it is, that thread closes the pipe when the other process writes or
/// closes it. Otherwise <see cref="Dispose"/> closes the pipe.
/// </summary>
internal sealed class PipeStream : ForwardStream
{
    private readonly CancellationToken _cancellation;
    private readonly SemaphoreSlim _wanted = new(0), _read = new(0);
    private readonly byte[] _buffer = new byte[1 << 16];
    private volatile bool _disposed;
    private FileStream? _file;
    private int _next, _end;
    private bool _ended, _isIdle; // idle: the thread waits for a request
    private ExceptionDispatchInfo? _error;

    public PipeStream(string path, CancellationToken cancellation)
    {
        _cancellation = cancellation;
        new Thread(() => Work(path)) { IsBackground = true, Name = "Embedding.Wrapper pipe" }.Start();
    }

    /// <summary>
    /// Whether the path may be a pipe or a device: the size of these is 0. (The size of an empty file is 0 too; reading it in this way does
    /// no harm.)
    /// </summary>
    public static bool MayBe(string path)
    {
        var file = new FileInfo(path);
        return file.Exists && (file.ResolveLinkTarget(returnFinalTarget: true) ?? file) is not FileInfo { Exists: true, Length: > 0 };
    }

    public override int Read(Span<byte> buffer)
    {
        if (_next == _end && !_ended && !buffer.IsEmpty)
        {
            _isIdle = false;
            _wanted.Release();
            _read.Wait(_cancellation);
            _isIdle = true;
            _error?.Throw();
            _ended = _end == 0;
        }
        int length = Math.Min(buffer.Length, _end - _next);
        _buffer.AsSpan(_next, length).CopyTo(buffer);
        _next += length;
        return length;
    }

    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        if (_isIdle) _file?.Dispose();
        _wanted.Release();
        base.Dispose(disposing);
    }

    private void Work(string path)
    {
        try
        {
            using FileStream file = _file = VectorStream.OpenFile(path);
            while (true)
            {
                _wanted.Wait(CancellationToken.None);
                if (_disposed) return;
                (_next, _end) = (0, file.Read(_buffer));
                _read.Release();
            }
        }
        catch (Exception error)
        {
            _error = ExceptionDispatchInfo.Capture(error);
            _read.Release();
        }
    }
}
