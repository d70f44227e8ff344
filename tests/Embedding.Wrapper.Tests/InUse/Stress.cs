using System.Diagnostics;

namespace EmbeddingWrapper.Tests.InUse;

/// <summary>
/// One thread disposes or changes what eight others use. Each call must give the right rows or throw what is documented. Every test
/// runs in a process of its own, because a memory fault would end the process. EMBEDDING_WRAPPER_STRESS sets the seconds for each
/// test; the default is half a second.
/// </summary>
internal static class Stress
{
    /// <summary>The width of the tables.</summary>
    public const int Width = 16;

    /// <summary>The rows of the big tables: 38 MB. When so much memory is freed, the system takes it back, and reading it is a fault.</summary>
    public const int Rows = 600_000;

    private const string Child = "EMBEDDING_WRAPPER_STRESS_CHILD";
    private const int Users = 8;

    private static readonly double Seconds = double.Parse(Environment.GetEnvironmentVariable("EMBEDDING_WRAPPER_STRESS") ?? "0.5");

    /// <summary>Runs the body of the current test, in a new process unless this process was started for it.</summary>
    public static void Apart(Action body)
    {
        string test = $"{TestContext.Current.TestClass!.TestClassName}.{TestContext.Current.TestMethod!.MethodName}";
        if (Environment.GetEnvironmentVariable(Child) == test)
        {
            body();
            return;
        }
        string host = Environment.ProcessPath!, assembly = typeof(Stress).Assembly.Location;
        string[] run = Path.GetFileNameWithoutExtension(host) == "dotnet" ? ["exec", assembly] : [];
        var start = new ProcessStartInfo(host, [.. run, "-noColor", "-method", test])
        {
            Environment = { [Child] = test },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process child = Process.Start(start)!;
        Task<string> output = child.StandardOutput.ReadToEndAsync(), errors = child.StandardError.ReadToEndAsync();
        if (!child.WaitForExit(TimeSpan.FromSeconds(120 + (2 * Seconds)))) child.Kill();
        child.WaitForExit();
        string all = output.Result + errors.Result;
        Assert.True(child.ExitCode == 0, $"Exit code {child.ExitCode}\n{all[..Math.Min(all.Length, 6000)]}");
        Assert.Contains("Total: 1,", all);
    }

    /// <summary>Repeats rounds until the time is over. In a round, eight threads use an object until they cannot, and one interferes.</summary>
    /// <param name="round">Makes the object, and returns what a user repeats, what the other thread does, and how the round ends.</param>
    /// <param name="allowed">Exceptions that a user may see. <see cref="ObjectDisposedException"/> is always allowed and ends the user.</param>
    public static void WhileInUse(
        Func<(Action<Random> Use, Action Interfere, Action End)> round, params Type[] allowed)
    {
        long until = Stopwatch.GetTimestamp() + (long)(Seconds * Stopwatch.Frequency), uses = 0;
        for (int i = 0; i == 0 || Stopwatch.GetTimestamp() < until; i++)
        {
            (Action<Random> use, Action interfere, Action end) = round();
            bool over = false;
            using var start = new Barrier(Users + 1);
            void Repeat(int user)
            {
                var random = new Random((i * Users) + user);
                start.SignalAndWait();
                while (!Volatile.Read(ref over))
                {
                    try
                    {
                        use(random);
                        Interlocked.Increment(ref uses);
                    }
                    catch (ObjectDisposedException)
                    {
                        break;
                    }
                    catch (Exception error) when (allowed.Contains(error.GetType()))
                    {
                    }
                }
                if (allowed.Contains(typeof(ThreadInterruptedException))) TakeInterrupt();
            }
            Task[] users = [.. Enumerable.Range(0, Users).Select(user =>
                Task.Factory.StartNew(() => Repeat(user), TaskCreationOptions.LongRunning))];
            start.SignalAndWait();
            var when = new Random(i);
            long enough = Volatile.Read(ref uses) + when.Next(40);
            SpinWait.SpinUntil(() => Volatile.Read(ref uses) >= enough || Array.Exists(users, user => user.IsCompleted));
            Thread.SpinWait(when.Next(2000));
            interfere();
            Volatile.Write(ref over, true);
            Task.WaitAll(users);
            end();
        }
        Assert.True(uses > 0, "Nobody got an answer.");
    }

    /// <summary>Takes the interrupt that the thread has not seen yet. A task that was about to end would end the process.</summary>
    private static void TakeInterrupt()
    {
        try
        {
            Thread.Sleep(1);
        }
        catch (ThreadInterruptedException)
        {
        }
    }

    /// <summary>A table in which every element of a row is the number of the row plus <paramref name="more"/>.</summary>
    public static Tensor Numbered(double more = 0, ScalarType dtype = ScalarType.Float32)
    {
        using Tensor numbers = arange(Rows, dtype: dtype);
        using Scalar added = more, one = 1;
        using Tensor sums = numbers.add(added, one); // a number that + makes is left to the garbage collector
        using Tensor column = sums.unsqueeze(1);
        using Tensor rows = column.expand(Rows, Width);
        return rows.contiguous();
    }
}
