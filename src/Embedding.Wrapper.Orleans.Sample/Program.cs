using System.Globalization;
using System.Runtime.InteropServices;
using EmbeddingWrapper.Orleans.Sample;

// Without arguments: three silos train a small recommender, one of them is killed, and training goes on from the last checkpoint.
// "proof [STEPS]": the same with Redis and all optimizers; the bits are compared with a run without a kill.
// "benchmark [TURNS]": look-ups per second, beside Redis and a local table. "skew": how Zipf's law loads contiguous ranges.
// "silo …": one silo. The other modes start themselves with it.
CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, _ =>
{
    LocalCluster.CleanUp();
    Environment.Exit(130);
});
switch (args)
{
    case []:
        return await Recommender.RunAsync();
    case ["proof"]:
        return await KillProof.RunAsync(steps: 60);
    case ["proof", var steps] when int.TryParse(steps, out int count) && count > 3:
        return await KillProof.RunAsync(count);
    case ["benchmark"]:
        return await Benchmark.RunAsync(turns: 5);
    case ["benchmark", var turns] when int.TryParse(turns, out int count) && count > 0:
        return await Benchmark.RunAsync(count);
    case ["skew"]:
        foreach (string line in Skew.Lines()) Console.WriteLine(line);
        return 0;
    case ["silo", ..]:
        await SiloProcess.RunAsync(args[1..]);
        return 0;
    default:
        Console.Error.WriteLine("usage: Embedding.Wrapper.Orleans.Sample [proof [STEPS] | benchmark [TURNS] | skew]");
        return 2;
}
