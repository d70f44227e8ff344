using EmbeddingWrapper.Native;

namespace EmbeddingWrapper.Tests;

/// <summary>The gate by itself. tests/Embedding.Wrapper.GateModel proves what threads can do to each other in it.</summary>
public class ReadGateTests
{
    /// <summary>Starts a thread; what it throws, the task throws.</summary>
    private static Task OnThread(Action body) =>
        Task.Factory.StartNew(body, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private static void Join(Task task) => task.Wait(TestContext.Current.CancellationToken);

    /// <summary>Whether another thread is kept out while this one waits a little. Only the answer no is sure.</summary>
    private static bool Waits(Task task)
    {
        Thread.Sleep(30);
        return !task.IsCompleted;
    }

    [Fact]
    public void AnInnerUseThatEndsLeavesTheOuterOne()
    {
        ReadGate gate = new(this), other = new(this);
        Task close;
        using (gate.Enter())
        {
            using (gate.Enter()) { }
            using (other.Enter())
            using (gate.Enter()) { }
            close = OnThread(() => gate.Close());
            Assert.True(Waits(close));
        }
        Join(close);
        Assert.Throws<ObjectDisposedException>(() => gate.Enter());
        using (other.Enter()) { }
    }

    [Fact]
    public void AThreadCanBeInsideManyGates()
    {
        ReadGate[] gates = [.. Enumerable.Range(0, 100).Select(_ => new ReadGate(this))];
        Task[] changes = [];

        EnterFrom(0);

        Array.ForEach(changes, Join);

        void EnterFrom(int i)
        {
            if (i == gates.Length)
            {
                changes = [.. gates.Select(gate => OnThread(() => gate.Change(() => { })))];
                Assert.All(changes, change => Assert.True(Waits(change)));
                return;
            }
            using ReadGate.Reading reading = gates[i].Enter();
            EnterFrom(i + 1);
        }
    }

    [Fact]
    public void ANestedReaderEntersAGateThatDrainsAndAnotherWaits()
    {
        ReadGate outer = new(this), gate = new(this);
        int changes = 0;
        using ManualResetEventSlim inside = new(), leave = new();
        Task holder = OnThread(() =>
        {
            using (gate.Enter())
            {
                inside.Set();
                leave.Wait();
            }
        });
        inside.Wait(TestContext.Current.CancellationToken);
        Task change = OnThread(() => gate.Change(() => changes++));
        Assert.True(Waits(change));

        using (outer.Enter())
        using (gate.Enter()) // would wait for the holder
            Assert.Equal(0, changes);
        Task fresh = OnThread(() =>
        {
            using (gate.Enter()) Assert.Equal(1, changes);
        });
        Assert.True(Waits(fresh));

        leave.Set();
        Join(holder);
        Join(change);
        Join(fresh);
    }

    [Fact]
    public void AThreadInsideCanNeitherChangeNorClose()
    {
        var gate = new ReadGate(this);
        using (gate.Enter())
        {
            Assert.Throws<InvalidOperationException>(() => gate.Change(() => { }));
            Assert.Throws<InvalidOperationException>(() => gate.Close());
        }
        Assert.False(gate.IsClosed);
        gate.Change(() => { });
        Assert.True(gate.Close());
        Assert.False(gate.Close());
        Assert.Throws<ObjectDisposedException>(() => gate.Change(() => { }));
    }

    [Fact]
    public void AChangeThatThrowsLeavesTheGateOpen()
    {
        var gate = new ReadGate(this);
        Assert.Throws<TimeZoneNotFoundException>(() => gate.Change(() => throw new TimeZoneNotFoundException()));
        using (gate.Enter()) { }
    }

    public enum Waiter { Change, SecondChange, Close, Enter }

    [Theory]
    [InlineData(Waiter.Change)]
    [InlineData(Waiter.SecondChange)]
    [InlineData(Waiter.Close)]
    [InlineData(Waiter.Enter)]
    public void AnInterruptNeitherEndsAWaitNorIsLost(Waiter waiter)
    {
        var gate = new ReadGate(this);
        bool done = false, interrupted = false;
        var thread = new Thread(() =>
        {
            if (waiter == Waiter.Enter)
            {
                using (gate.Enter()) done = true;
            }
            else if (waiter == Waiter.Close)
            {
                done = gate.Close();
            }
            else
            {
                gate.Change(() => done = true);
            }
            try
            {
                Thread.Sleep(1);
            }
            catch (ThreadInterruptedException)
            {
                interrupted = true;
            }
        });
        using (gate.Enter())
        {
            Task change = Task.CompletedTask;
            if (waiter is Waiter.SecondChange or Waiter.Enter)
            {
                change = OnThread(() => gate.Change(() => { }));
                Assert.True(Waits(change));
            }
            thread.Start();
            for (int i = 0; i < 5; i++)
            {
                Thread.Sleep(10);
                thread.Interrupt();
            }
            Assert.False(Volatile.Read(ref done));
        }
        thread.Join();
        Assert.True(done && interrupted);
        Assert.Equal(waiter == Waiter.Close, gate.IsClosed);
        if (waiter != Waiter.Close) gate.Change(() => { });
    }

    [Fact]
    public void AllHandlesOfAParameterHaveItsGate()
    {
        using Embedding layer = new(4, 3), tied = new(4, 3) { Weight = layer.Weight };
        using var linear = nn.Linear(3, 4);
        linear.weight = layer.Weight;
        using Tensor handle = linear.weight!, view = layer.Weight.detach(), equal = layer.Weight.clone();
        ReadGate gate = ReadGate.Of(layer.Weight);

        Assert.Same(gate, ReadGate.Of(tied.Weight));
        Assert.Same(gate, ReadGate.Of(handle));
        Assert.NotSame(gate, ReadGate.Of(view));
        Assert.NotSame(gate, ReadGate.Of(equal));
        layer.to(float64);
        Assert.Same(gate, ReadGate.Of(layer.Weight));
    }

    [Fact]
    public void ManyParametersAreEnteredTogetherAndOneThatCannotBeLeavesNoneEntered()
    {
        Tensor[] tensors = [.. Enumerable.Range(0, 50).Select(_ => zeros(1))];
        ReadGate[] gates = [.. tensors.Select(ReadGate.Of)];
        Task change;
        using (ReadGate.EnterAll(tensors))
        {
            change = OnThread(() => gates[49].Change(() => { }));
            Assert.True(Waits(change));
        }
        Join(change);

        tensors[49].Dispose();
        Assert.Throws<InvalidOperationException>(() => ReadGate.EnterAll(tensors));
        gates[0].Change(() => { }); // would throw if this thread were still inside
        Array.ForEach(tensors, tensor => tensor.Dispose());
    }

    [Fact]
    public void ThreadsThatHaveEndedHoldNobodyUp()
    {
        var gate = new ReadGate(this);
        for (int i = 0; i < 200; i++)
        {
            Join(OnThread(() =>
            {
                using (gate.Enter()) { }
            }));
            gate.Change(() => { });
        }
    }
}
