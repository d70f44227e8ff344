using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Native;

/// <summary>
/// Keeps native memory in place while it is in use. Any number of threads use it at once. A thread that wants to free or replace the
/// memory waits until all of them have left, and lets nobody in meanwhile.
/// </summary>
/// <remarks>
/// <para>
/// Two kinds of object have a gate. An object that can be disposed (a layer, a file) has one for its own life. A parameter has one for its
/// memory (<see cref="Of"/>), which tied layers and optimizers share. A thread that needs both enters the object's gate first.
/// </para>
/// <para>
/// A reader publishes the gate in its thread's <see cref="ReaderSlot"/> and then reads the gate's state, without a fence in between (an
/// asymmetric barrier). The changing thread, which is rare, writes the state and issues a process-wide barrier instead (1 µs): after it,
/// either the changing thread sees the entry, or the reader sees the state. The two interlocked operations of a SafeHandle would cost a
/// short look-up 10 ns, and more when several threads share the cache line.
/// </para>
/// <para>
/// A slot is a stack, so a thread can be inside several gates, and inside one gate several times. A nested reader must not wait for
/// readers to leave: it may be one of those whom another changing thread waits for. It therefore steps back from a gate that is only
/// draining for a moment, and then enters it; it waits only while a change runs. Without that moment threads that read all the time would
/// never be outside all at once, because every use of a parameter's memory is nested in the use of a layer. The changing thread starts
/// over if it finds such a reader.
/// </para>
/// <para>
/// Inside a gate nothing may wait for another thread, except for a lock whose holder waits for no gate. A change enters no gate. A thread
/// that is inside the gate of a parameter must not change or close the gate of an object.
/// tests/Embedding.Wrapper.GateModel holds a model of this class, and says what a model checker has proved of it.
/// </para>
/// </remarks>
internal sealed class ReadGate(object? owner)
{
    private const int Open = 0, Draining = 1, Changing = 2, Closed = 3;

    /// <summary>How often a nested reader waits for a gate that drains: 20 short waits, and then a millisecond each.</summary>
    private const int StepsBack = 200;

    private static readonly Dictionary<nint, WeakReference<ReadGate>> OfTensors = [];
    private static int s_tidyAt = 64;
    private static ReaderSlot? s_slots;
    [ThreadStatic] private static ReaderSlot? t_slot;

    private volatile int _state;

    /// <summary>The gates that a thread is inside. The fields of one thread share no cache line with those of another.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 320)]
    private sealed class ReaderSlot(Thread thread)
    {
        private const int Padding = 16; // elements: 128 bytes
        public const int Bottom = Padding;

        [FieldOffset(128)] public ReadGate?[] Entries = new ReadGate?[Padding + 16 + Padding];
        [FieldOffset(136)] public ReaderSlot? Next;
        [FieldOffset(144)] public Thread Thread = thread;
        [FieldOffset(152)] public int Top = Bottom;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Push(ReadGate gate)
        {
            if (Top >= Entries.Length - Padding) Grow();
            Volatile.Write(ref Entries[Top], gate);
            Top++;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void PopTo(int height)
        {
            while (Top > height) Volatile.Write(ref Entries[--Top], null);
        }

        public bool Holds(ReadGate gate)
        {
            foreach (ref ReadGate? entry in Volatile.Read(ref Entries).AsSpan())
                if (ReferenceEquals(Volatile.Read(ref entry), gate)) return true;
            return false;
        }

        public bool HoldsBelow(int height, ReadGate gate) => Entries.AsSpan(..height).Contains(gate);

        private void Grow()
        {
            var larger = new ReadGate?[2 * Entries.Length];
            Entries.CopyTo(larger, 0);
            Volatile.Write(ref Entries, larger);
        }
    }

    /// <summary>A use in progress. It is disposed when the use ends, on the same thread, in the reverse order of entering.</summary>
    /// <remarks>Meanwhile the slot keeps the gate and its owner alive, so that no finalizer of theirs frees the memory.</remarks>
    public readonly ref struct Reading
    {
        private readonly ReaderSlot _slot;
        private readonly int _height;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        internal Reading(ReadGate gate)
        {
            _slot = t_slot ?? TakeSlot();
            _height = _slot.Top;
            _slot.Push(gate);
            if (gate._state != Open) gate.WaitToEnter(_slot, _height);
        }

        internal Reading(IEnumerable<Tensor> tensors)
        {
            _slot = t_slot ?? TakeSlot();
            _height = _slot.Top;
            try
            {
                foreach (Tensor tensor in tensors) _ = Of(tensor).Enter();
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Dispose() => _slot.PopTo(_height);
    }

    /// <summary>
    /// The gate of a tensor's memory. Tensor objects that stand for the same tensor of libtorch have the same gate, whichever layer,
    /// optimizer or caller holds them; a view, or an alias made by <c>detach()</c>, is another tensor.
    /// </summary>
    public static ReadGate Of(Tensor tensor) =>
        tensor is LayerParameter parameter ? parameter.Gate ??= OfIdentity(parameter) : OfIdentity(tensor);

    private static ReadGate OfIdentity(Tensor tensor)
    {
        nint identity = TensorMemory.Identity(tensor);
        lock (OfTensors)
        {
            if (OfTensors.TryGetValue(identity, out WeakReference<ReadGate>? known) && known.TryGetTarget(out ReadGate? gate)) return gate;
            if (OfTensors.Count >= s_tidyAt)
            {
                foreach ((nint key, WeakReference<ReadGate> value) in OfTensors)
                    if (!value.TryGetTarget(out _)) OfTensors.Remove(key);
                s_tidyAt = Math.Max(64, 2 * OfTensors.Count);
            }
            // A gate that nobody refers to has nobody inside, and a gate that outlives its tensor harms nobody.
            gate = new ReadGate(null);
            OfTensors[identity] = new WeakReference<ReadGate>(gate);
            return gate;
        }
    }

    /// <summary>Whether <see cref="Close"/> was called.</summary>
    public bool IsClosed => _state == Closed;

    /// <summary>Begins a use, which ends when the result is disposed.</summary>
    /// <exception cref="ObjectDisposedException">The gate is closed.</exception>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Reading Enter() => new(this);

    /// <summary>Begins a use of the memory of several tensors.</summary>
    public static Reading EnterAll(IEnumerable<Tensor> tensors) => new(tensors);

    /// <summary>Runs what replaces the memory, when nobody uses it.</summary>
    /// <exception cref="ObjectDisposedException">The gate is closed.</exception>
    /// <exception cref="InvalidOperationException">The calling thread is inside the gate.</exception>
    public void Change(Action change)
    {
        var wait = new UninterruptedWait();
        try
        {
            ObjectDisposedException.ThrowIf(!TryShut(Draining, ref wait), owner ?? this);
            try
            {
                do
                {
                    _state = Draining;
                    while (IsInUse()) wait.Once();
                    _state = Changing;
                    Interlocked.MemoryBarrierProcessWide();
                }
                while (IsInUse());
                change();
            }
            finally
            {
                _state = Open;
            }
        }
        finally
        {
            wait.End();
        }
    }

    /// <summary>Lets nobody in any more, and waits for those who are inside.</summary>
    /// <returns>Whether this call closed it: only one thread is to free the memory.</returns>
    /// <exception cref="InvalidOperationException">The calling thread is inside the gate.</exception>
    public bool Close()
    {
        var wait = new UninterruptedWait();
        try
        {
            bool first = TryShut(Closed, ref wait);
            Interlocked.MemoryBarrierProcessWide();
            while (IsInUse()) wait.Once();
            return first;
        }
        finally
        {
            wait.End();
        }
    }

    /// <summary>Takes an open gate over, or waits for the thread that has it. False if the gate is closed.</summary>
    private bool TryShut(int state, ref UninterruptedWait wait)
    {
        if (t_slot is { } slot && slot.Holds(this))
            throw new InvalidOperationException("A call that uses the table cannot replace or dispose it before that call has returned.");
        while (true)
        {
            int found = Interlocked.CompareExchange(ref _state, state, Open);
            if (found is Open or Closed) return found == Open;
            wait.Once();
        }
    }

    private bool IsInUse()
    {
        for (ReaderSlot? slot = Volatile.Read(ref s_slots); slot is not null; slot = slot.Next)
            if (slot.Holds(this)) return true;
        return false;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private void WaitToEnter(ReaderSlot slot, int height)
    {
        bool nested = height > ReaderSlot.Bottom;
        int stepsBack = slot.HoldsBelow(height, this) ? 0 : StepsBack; // its other use of this gate cannot step back
        var wait = new UninterruptedWait();
        try
        {
            for (int state; (state = _state) != Open && !(nested && state == Draining && stepsBack-- <= 0);)
            {
                slot.PopTo(height);
                ObjectDisposedException.ThrowIf(state == Closed, owner ?? this);
                wait.Once();
                slot.Push(this);
            }
        }
        finally
        {
            wait.End();
        }
    }

    /// <summary>A slot of a thread that has ended, or a new one: there are never more than threads that ran at once.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static ReaderSlot TakeSlot()
    {
        for (ReaderSlot? slot = Volatile.Read(ref s_slots); slot is not null; slot = slot.Next)
        {
            Thread last = slot.Thread;
            if (!last.IsAlive && Interlocked.CompareExchange(ref slot.Thread, Thread.CurrentThread, last) == last) return t_slot = slot;
        }
        var added = new ReaderSlot(Thread.CurrentThread);
        do added.Next = Volatile.Read(ref s_slots);
        while (Interlocked.CompareExchange(ref s_slots, added, added.Next) != added.Next);
        return t_slot = added;
    }
}
