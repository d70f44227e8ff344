using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace EmbeddingWrapper.Tests;

/// <summary>Repeats the same work many times, and checks that live native tensors and resident memory have not grown.</summary>
internal static class Soak
{
    /// <summary>The rounds of training in each test, from EMBEDDING_WRAPPER_SOAK. More expensive bodies use a fraction of it.</summary>
    public static readonly int Rounds = int.Parse(Environment.GetEnvironmentVariable("EMBEDDING_WRAPPER_SOAK") ?? "5000");

    /// <summary>How much the process may grow between the first tenth and the end, because the size of the heap varies.</summary>
    private const long MostGrowth = 48 << 20;

    /// <param name="rounds">How many rounds.</param>
    /// <param name="round">Gets the number of the round.</param>
    /// <param name="parameters">How many parameters a round makes: TorchSharp counts each of their tensors once too often.</param>
    /// <param name="leaked">How many bytes TorchSharp itself leaks in each round.</param>
    /// <param name="name">The test.</param>
    public static void Run(
        int rounds, Action<int> round, int parameters = 0, int leaked = 0, [CallerMemberName] string name = "")
    {
        long countedTwice = CountedTwice() * parameters;
        round(0); // makes what is made once: the gradient, the moments, the compiled unit
        long tensors = LiveTensors();
        Repeat(1, rounds / 10, round);
        LiveTensors();
        long memory = ResidentBytes();
        Repeat(rounds / 10, rounds, round);
        long tensorsAfter = LiveTensors() - countedTwice * (rounds - 1);
        long memoryAfter = ResidentBytes();

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{name}: {rounds:N0} rounds; live tensors {tensors}, then {tensorsAfter}; " +
            $"resident {memory >> 10:N0} KiB after a tenth, then {memoryAfter >> 10:N0} KiB");
        Assert.Equal(tensors, tensorsAfter);
        Assert.InRange(memoryAfter - memory, long.MinValue, MostGrowth + (long)leaked * rounds);
    }

    // A method of its own, so that no local keeps alive what the last round made.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Repeat(int from, int to, Action<int> round)
    {
        for (int i = from; i < to; i++) round(i);
    }

    private static long ResidentBytes()
    {
        if (!OperatingSystem.IsLinux()) return Process.GetCurrentProcess().WorkingSet64;
        string line = File.ReadLines("/proc/self/status").Single(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
        return long.Parse(line.Split(':')[1].Replace("kB", "").Trim()) << 10;
    }
}
