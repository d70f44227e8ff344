using EmbeddingWrapper.Native;

namespace EmbeddingWrapper.Tests;

public class ParallelRowsTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 1)]
    [InlineData(3, 10)]
    [InlineData(8, 7)]
    [InlineData(4, 1001)]
    public void EachRowIsWorkedOnOnce(int threads, long rows)
    {
        var times = new int[rows];
        ParallelRows.Run(threads, rows, (start, end) =>
        {
            for (long i = start; i < end; i++) Interlocked.Increment(ref times[i]);
        });
        Assert.All(times, time => Assert.Equal(1, time));
    }

    [Fact]
    public void WhatIsThrownArrivesWhenNobodyWorksAnyMore()
    {
        for (int round = 0; round < 200; round++)
        {
            int working = 0;
            Assert.Throws<TimeZoneNotFoundException>(() => ParallelRows.Run(4, 1000, (start, _) =>
            {
                Interlocked.Increment(ref working);
                Thread.SpinWait(100);
                Interlocked.Decrement(ref working);
                if (start >= 500) throw new TimeZoneNotFoundException();
            }));
            Assert.Equal(0, Volatile.Read(ref working));
        }
    }

    [Fact]
    public void AnInterruptEndsNothingAndIsNotLost()
    {
        for (int round = 0; round < 100; round++)
        {
            int working = 0, done = 0, left = -1;
            bool interrupted = false;
            var thread = new Thread(() =>
            {
                Thread.CurrentThread.Interrupt();
                ParallelRows.Run(4, 1000, (start, end) =>
                {
                    Interlocked.Increment(ref working);
                    Thread.SpinWait(1000);
                    Interlocked.Add(ref done, (int)(end - start));
                    Interlocked.Decrement(ref working);
                });
                left = Volatile.Read(ref working);
                try
                {
                    Thread.Sleep(1);
                }
                catch (ThreadInterruptedException)
                {
                    interrupted = true;
                }
            });
            thread.Start();
            thread.Join();
            Assert.Equal((0, 1000, true), (left, done, interrupted));
        }
    }
}
