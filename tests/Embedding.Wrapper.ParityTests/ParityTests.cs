using EmbeddingWrapper.ParityTests.Replay;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests;

/// <summary>Replays every golden scenario: .NET gives what PyTorch gave, bit for bit.</summary>
public class ParityTests
{
    private static readonly Lazy<ILookup<string, Scenario>> ByName =
        new(() => Scenarios.ToLookup(scenario => scenario.FullName));

    public static IEnumerable<TheoryDataRow<string>> OnTheCpu => Rows(Scenarios, "");

    public static IEnumerable<TheoryDataRow<string>> OnCuda => cuda.is_available()
        ? Rows(Scenarios.Where(scenario => scenario.CanRunOnCuda), " (CUDA)")
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
        Assert.Distinct(Scenarios.Select(scenario => scenario.FullName));
        Assert.Distinct(Scenarios.Select(scenario => Received.FileName(scenario, CPU).ToLowerInvariant()));
    }

    private static IEnumerable<Scenario> Scenarios => GoldenFile.ToReplay.SelectMany(file => file.Scenarios);

    private static IEnumerable<TheoryDataRow<string>> Rows(IEnumerable<Scenario> scenarios, string suffix) =>
        scenarios.Select(scenario => Row(scenario.FullName, scenario.FullName + suffix));

    // An empty label keeps the argument out of the name.
    private static TheoryDataRow<string> Row(string scenario, string name) =>
        new(scenario) { TestDisplayName = name, Label = "" };
}
