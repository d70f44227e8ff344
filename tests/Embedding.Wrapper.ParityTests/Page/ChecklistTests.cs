using System.Reflection;
using EmbeddingWrapper.ParityTests.Replay;
using EmbeddingWrapper.ParityTests.Upstream;

namespace EmbeddingWrapper.ParityTests.Page;

/// <summary>Checks that the checklists cover the whole pages and that every proof they name exists.</summary>
public class ChecklistTests
{
    private static readonly Checklist Embedding = Checklist.OfEmbedding, Bag = Checklist.OfEmbeddingBag, Function = Checklist.OfTheFunction;

    private static readonly ChecklistRow[] Rows = [.. Embedding.Page, .. Embedding.Upstream, .. Bag.Page, .. Bag.Upstream, .. Function.Page];

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
        foreach (ChecklistRow row in Embedding.Page)
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

    // The bag's page is not copied here. Its claims are numbered, and one of them may have several rows.
    [Fact]
    public void TheRowsOfTheBagAreAllClaimsOfItsPageInTheirOrder() => Assert.Equal(Numbered("BD", 24), Bag.Page.Select(Number).Distinct());

    [Fact]
    public void TheNotesOfTheFunctionsPageHaveARow() => Assert.Equal(Numbered("FE", 2), Function.Page.Select(Number));

    [Fact]
    public void EveryTestOfPyTorchForTheseLayersHasARow()
    {
        Assert.Equal(Numbered("U", 17), Embedding.Upstream.Select(Number));
        Assert.Equal(Numbered("BU", 22), Bag.Upstream.Select(Number));
    }

    [Fact]
    public void EveryTestOfPyTorchIsRestatedUnderItsName()
    {
        AssertNames(Embedding, nameof(EmbeddingUpstreamTests));
        AssertNames(Bag, nameof(EmbeddingBagUpstreamTests));

        static void AssertNames(Checklist checklist, string type) => Assert.All(checklist.Upstream, row =>
            Assert.Equal($"{type}.{row.Says.Split(' ')[1]}", row.Tests.Single()));
    }

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

    private static IEnumerable<string> Numbered(string letters, int last) =>
        Enumerable.Range(1, last).Select(number => $"{letters}{number}");

    private static string Number(ChecklistRow row) => row.Says.Split(' ')[0];

    private static void AssertAllAmong(IEnumerable<string> there, IEnumerable<string> named) =>
        Assert.Subset(there.ToHashSet(), named.ToHashSet());
}
