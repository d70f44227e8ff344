using EmbeddingWrapper.ParityTests.Replay;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests;

/// <summary>Every golden scenario, replayed: what PyTorch gave, .NET gives bit for bit.</summary>
public class ParityTests
{
    public static IEnumerable<TheoryDataRow<string>> OnTheCpu => Rows(Scenario.All, "");

    public static IEnumerable<TheoryDataRow<string>> OnCuda => cuda.is_available()
        ? Rows(Scenario.All.Where(scenario => scenario.CanRunOnCuda), " (CUDA)")
        : [Row("", "every scenario (CUDA)").WithSkip(Skipped.NoCuda)];

    [Theory]
    [MemberData(nameof(OnTheCpu))]
    public void TheCpuGivesWhatPyTorchGave(string scenario) => ScenarioReplay.Run(Scenario.Find(scenario), CPU);

    [Theory]
    [MemberData(nameof(OnCuda))]
    public void CudaGivesWhatPyTorchGave(string scenario) => ScenarioReplay.Run(Scenario.Find(scenario), CUDA);

    [Fact]
    public void NoTwoScenariosShareANameOrAReceivedFile()
    {
        string[] names = [.. Scenario.All.Select(scenario => $"{scenario.File.Family}.{Received.Slug(scenario.Name)}".ToLowerInvariant())];
        Assert.Distinct(names);
        Assert.Distinct(Scenario.All.Select(scenario => scenario.FullName));
    }

    private static IEnumerable<TheoryDataRow<string>> Rows(IEnumerable<Scenario> scenarios, string suffix) =>
        scenarios.Select(scenario => Row(scenario.FullName, scenario.FullName + suffix));

    // An empty label keeps the argument out of the name.
    private static TheoryDataRow<string> Row(string scenario, string name) => new(scenario) { TestDisplayName = name, Label = "" };
}
