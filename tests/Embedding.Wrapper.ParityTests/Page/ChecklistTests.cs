using System.Reflection;
using EmbeddingWrapper.ParityTests.Replay;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>Checks that checklist.md covers the whole page and that every proof it names exists.</summary>
public class ChecklistTests
{
    private static readonly ChecklistRow[] Rows = [.. Checklist.Page, .. Checklist.Upstream];

    private static readonly Scenario[] Scenarios = [.. GoldenFile.Own.SelectMany(file => file.Scenarios)];

    private static readonly ILookup<string, FactAttribute> Tests =
        (from type in typeof(ChecklistTests).Assembly.GetTypes()
         from method in type.GetMethods()
         let attribute = method.GetCustomAttribute<FactAttribute>() // TheoryAttribute derives from FactAttribute
         where attribute is not null
         select (Name: $"{type.Name}.{method.Name}", attribute)).ToLookup(test => test.Name, test => test.attribute);

    [Fact]
    public void TheRowsAreTheWholePageInItsOrder()
    {
        string page = PageText.WithoutWhiteSpace(PageText.Whole);
        int at = 0;
        foreach (ChecklistRow row in Checklist.Page)
        {
            string sentence = PageText.WithoutWhiteSpace(row.Says);
            int found = page.IndexOf(sentence, at, StringComparison.Ordinal);
            Assert.True(found >= 0, $"The page does not say, or not in this place: {row.Says}");
            AssertNothingIsSaid(page[at..found], row.Says);
            at = found + sentence.Length;
        }
        AssertNothingIsSaid(page[at..], "the end");

        static void AssertNothingIsSaid(string between, string before) =>
            Assert.True(!between.Any(char.IsLetterOrDigit), $"No row has '{between}', before: {before}");
    }

    [Fact]
    public void EveryTestOfPyTorchForThisLayerHasARow()
    {
        string[] expected = [.. Enumerable.Range(1, 17).Select(number => $"U{number}")];
        Assert.Equal(expected, Checklist.Upstream.Select(row => row.Says.Split(' ')[0]));
    }

    [Fact]
    public void EveryTestOfPyTorchIsRestatedUnderItsName() => Assert.All(Checklist.Upstream, row =>
        Assert.Equal($"{nameof(Upstream.EmbeddingUpstreamTests)}.{row.Says.Split(' ')[1]}", row.Tests.Single()));

    [Fact]
    public void NoRowIsWithoutAProof() => Assert.All(Rows, row => Assert.False(row.IsEmpty, row.Says));

    [Fact]
    public void EveryTestThatIsNamedExists() =>
        Assert.All(Rows.SelectMany(row => row.Tests), test => Assert.True(Tests.Contains(test), test));

    [Fact]
    public void EveryScenarioThatIsNamedExists() =>
        AssertAllAmong(Scenarios.Select(scenario => scenario.FullName), Rows.SelectMany(row => row.Scenarios));

    [Fact]
    public void EveryItemThatIsNamedIsProvedByAScenario() =>
        AssertAllAmong(Scenarios.SelectMany(scenario => scenario.Proves), Rows.SelectMany(row => row.Items));

    [Fact]
    public void ATestThatIsSkippedIsNamedAsSuchWithItsReason() => Assert.All(Rows, row => Assert.Equal(
        row.Tests.SelectMany(test => Tests[test]).Select(fact => fact.Skip).OfType<string>().Distinct(), row.Skipped));

    private static void AssertAllAmong(IEnumerable<string> there, IEnumerable<string> named) =>
        Assert.Subset(there.ToHashSet(), named.ToHashSet());
}
