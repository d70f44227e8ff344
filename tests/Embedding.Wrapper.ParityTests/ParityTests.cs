using EmbeddingWrapper.ParityTests.Replay;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests;

/// <summary>Every golden scenario, replayed: what PyTorch gave, .NET gives bit for bit.</summary>
public class ParityTests
{
    private static readonly Lazy<Scenario[]> Scenarios = new(() => [.. GoldenFile.ToReplay.SelectMany(file => file.Scenarios)]);

    private static readonly Lazy<ILookup<string, Scenario>> ByName = new(() => Scenarios.Value.ToLookup(scenario => scenario.FullName));

    public static IEnumerable<TheoryDataRow<string>> OnTheCpu => Rows(Scenarios.Value, "");

    public static IEnumerable<TheoryDataRow<string>> OnCuda => cuda.is_available()
        ? Rows(Scenarios.Value.Where(scenario => scenario.CanRunOnCuda), " (CUDA)")
        : [Row("", "every scenario (CUDA)").WithSkip(Skipped.NoCuda)];

    [Theory]
    [MemberData(nameof(OnTheCpu))]
    public void TheCpuGivesWhatPyTorchGave(string scenario) => ScenarioReplay.Run(ByName.Value[scenario].Single(), CPU);

    [Theory]
    [MemberData(nameof(OnCuda))]
    public void CudaGivesWhatPyTorchGave(string scenario) => ScenarioReplay.Run(ByName.Value[scenario].Single(), CUDA);

    [Fact]
    public void NoTwoScenariosShareANameOrAReceivedFile()
    {
        string[] names = [.. Scenarios.Value.Select(scenario => $"{scenario.File.Family}.{Received.Slug(scenario.Name)}".ToLowerInvariant())];
        Assert.Distinct(names);
        Assert.Distinct(Scenarios.Value.Select(scenario => scenario.FullName));
    }

    private static IEnumerable<TheoryDataRow<string>> Rows(IEnumerable<Scenario> scenarios, string suffix) =>
        scenarios.Select(scenario => Row(scenario.FullName, scenario.FullName + suffix));

    // An empty label keeps the argument out of the name.
    private static TheoryDataRow<string> Row(string scenario, string name) => new(scenario) { TestDisplayName = name, Label = "" };
}
