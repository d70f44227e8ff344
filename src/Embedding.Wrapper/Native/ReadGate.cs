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
/// share its cache line. So a reader makes a slot in a place of its own thread, and looks whether the gate is open, with no fence in
/// between: 5 ns. The thread that closes, which is rare, makes every processor pass a barrier instead (1 µs): after that it sees the
/// slot, or else the reader sees the closed gate.
/// </para>
/// <para>
/// The alternative without any cost to readers, memory that a finalizer frees, was no choice: a disposed table of gigabytes would stay
/// until the next collection.
/// </para>
/// <para>Nothing that closes the gate, enters another or waits for a thread that does may run inside: a slot has room for one gate.</para>
/// </remarks>
internal sealed class ReadGate(object owner)
{
    private static readonly ConditionalWeakTable<ReaderSlot, object?> Slots = []; // those of threads that have ended drop out
    private static long s_lastId;
    [ThreadStatic] private static ReaderSlot? t_slot;

    private readonly long _id = Interlocked.Increment(ref s_lastId);
    private readonly Lock _changing = new();
    private volatile bool _open = true;
    private volatile bool _closed;

    /// <summary>Which gate a thread is in; 0 is none. A cache line and its neighbour to itself: others write to theirs at the same time.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private sealed class ReaderSlot
    {
        [FieldOffset(128)] public long Gate;
    }

    /// <summary>A read in progress: disposed when it ends, on the same thread.</summary>
    public readonly ref struct Reading
    {
        private readonly ReadGate _gate;
        private readonly ReaderSlot _slot;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal Reading(ReadGate gate)
        {
            _gate = gate;
            _slot = t_slot ?? NewSlot();
            Volatile.Write(ref _slot.Gate, gate._id);
            if (!gate._open) gate.WaitToEnter(_slot);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose()
        {
            Volatile.Write(ref _slot.Gate, 0);
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
        foreach ((ReaderSlot slot, _) in Slots)
        {
            Debug.Assert(slot != t_slot || slot.Gate != _id, "The gate would wait for itself.");
            var spin = new SpinWait();
            while (Volatile.Read(ref slot.Gate) == _id) spin.SpinOnce();
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WaitToEnter(ReaderSlot slot)
    {
        while (!_open)
        {
            Volatile.Write(ref slot.Gate, 0);
            lock (_changing) ObjectDisposedException.ThrowIf(_closed, owner);
            Volatile.Write(ref slot.Gate, _id);
        }
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ReaderSlot NewSlot()
    {
        var slot = new ReaderSlot();
        Slots.Add(slot, null);
        return t_slot = slot;
    }
}
