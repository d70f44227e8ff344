using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace EmbeddingWrapper.Native;

/// <summary>
/// Keeps native memory where it is while it is read. Any number of threads read at once; who is about to free or replace what they read
/// waits until they have ended, and lets nobody in meanwhile.
/// </summary>
/// <remarks>
/// <para>
/// A short row is copied in 20 ns. The two interlocked operations of a SafeHandle would add half of that, and far more where many threads
/// share its cache line. So a reader makes a note in a place of its own thread, and looks whether the gate is open, with no fence in
/// between: 5 ns. The thread that closes, which is rare, makes every processor pass a barrier instead (1 µs): after that it sees the
/// note, or else the reader sees the closed gate.
/// </para>
/// <para>
/// The alternative without any cost to readers, memory that a finalizer frees, was no choice: a disposed table of gigabytes would stay
/// until the next collection.
/// </para>
/// <para>Nothing that closes the gate, enters another or waits for a thread that does may run inside: a note has room for one gate.</para>
/// </remarks>
internal sealed class ReadGate(object owner)
{
    private static readonly ConditionalWeakTable<Note, object?> Notes = []; // those of threads that have ended drop out
    private static long s_lastId;
    [ThreadStatic] private static Note? t_note;

    private readonly long _id = Interlocked.Increment(ref s_lastId);
    private readonly Lock _changing = new();
    private volatile bool _open = true;
    private volatile bool _closed;

    /// <summary>Which gate a thread is in; 0 is none. A cache line and its neighbour to itself: others write to theirs at the same time.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private sealed class Note
    {
        [FieldOffset(128)] public long Gate;
    }

    /// <summary>A read in progress: disposed when it ends, on the same thread.</summary>
    public readonly ref struct Reading
    {
        private readonly ReadGate _gate;
        private readonly Note _note;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal Reading(ReadGate gate)
        {
            _gate = gate;
            _note = t_note ?? NewNote();
            Volatile.Write(ref _note.Gate, gate._id);
            if (!gate._open) gate.WaitToEnter(_note);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose()
        {
            Volatile.Write(ref _note.Gate, 0);
            GC.KeepAlive(_gate); // and so its owner, whose finalizer frees what was read
        }
    }

    /// <summary>Whether <see cref="Close"/> was called.</summary>
    public bool IsClosed => _closed;

    /// <summary>Begins a read, which ends when the result is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The gate is closed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Reading Enter() => new(this);

    /// <summary>Runs what replaces the memory, when nobody reads.</summary>
    /// <exception cref="ObjectDisposedException">The gate is closed.</exception>
    public void Change(Action change)
    {
        lock (_changing)
        {
            ObjectDisposedException.ThrowIf(_closed, owner);
            _open = false;
            WaitForReaders();
            try
            {
                change();
            }
            finally
            {
                _open = true;
            }
        }
    }

    /// <summary>Lets nobody in any more, and waits for those who are inside.</summary>
    /// <returns>Whether this call closed it: one thread alone is to free the memory.</returns>
    public bool Close()
    {
        lock (_changing)
        {
            if (_closed) return false;
            _closed = true;
            _open = false;
            WaitForReaders();
            return true;
        }
    }

    private void WaitForReaders()
    {
        Interlocked.MemoryBarrierProcessWide();
        foreach ((Note note, _) in Notes)
        {
            Debug.Assert(note != t_note || note.Gate != _id, "The gate would wait for itself.");
            var spin = new SpinWait();
            while (Volatile.Read(ref note.Gate) == _id) spin.SpinOnce();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WaitToEnter(Note note)
    {
        while (!_open)
        {
            Volatile.Write(ref note.Gate, 0);
            lock (_changing) ObjectDisposedException.ThrowIf(_closed, owner);
            Volatile.Write(ref note.Gate, _id);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Note NewNote()
    {
        var note = new Note();
        Notes.Add(note, null);
        return t_note = note;
    }
}
