using EmbeddingWrapper.Repl.Prompt;

namespace EmbeddingWrapper.ReplTests;

public class CompletionTests
{
    private static readonly Lazy<Session> SharedSession = new(() =>
    {
        var session = new Session(new ScriptGlobals(TextWriter.Null, []), Shared.Root);
        session.Run("var embedding = new Embedding(10, 3);");
        return session;
    });

    [Theory]
    [InlineData("embedding.Num", "NumEmbeddings")]
    [InlineData("embedding.Weight.sha", "shape")]
    [InlineData("embedding?.Num", "NumEmbeddings")]
    [InlineData("embedding.Weight.Rep", "Repr")] // an extension method
    [InlineData("Embedding.From", "FromPretrained")] // static
    [InlineData("torch.nn.functional.cosine_s", "cosine_similarity")]
    [InlineData("System.IO.File.ReadAllTe", "ReadAllText", "ReadAllTextAsync")]
    [InlineData("embeddi", "embedding")]
    [InlineData("Embeddi", "Embedding")]
    [InlineData("fore", "foreach")]
    [InlineData("new Embedding(10, 3, max", "maxNorm:", "max")]
    [InlineData("new Embedding(10, 3, padd", "paddingIdx:")]
    [InlineData("using var e = embedding.Num", "NumEmbeddings")]
    public void TheNamesThatFitAreFound(string text, params string[] expected)
    {
        Completion completion = SharedSession.Value.Complete(text, text.Length);
        Assert.Equal(expected, completion.Names.Take(expected.Length));
        Assert.All(completion.Names, name => Assert.StartsWith(text[completion.Start..], name));
    }

    [Fact]
    public void AfterADotComeTheMembersAndNothingHidden()
    {
        IReadOnlyList<string> names = SharedSession.Value.Complete("embedding.", 10).Names;
        Assert.Contains("Lookup", names);
        Assert.Contains("call", names);
        Assert.DoesNotContain("FromPretrained", names);
        Assert.DoesNotContain("get_Weight", names);
        Assert.DoesNotContain(".ctor", names);
        Assert.Equal(names.Order(StringComparer.OrdinalIgnoreCase), names);
    }

    [Fact]
    public void WhatFollowsTheCursorStays()
    {
        Completion completion = SharedSession.Value.Complete("(embedding.Num, 3)", 14);
        Assert.Equal((11, "NumEmbeddings"), (completion.Start, Assert.Single(completion.Names)));
    }

    [Theory]
    [InlineData("")]
    [InlineData("12")]
    [InlineData("nothing.")]
    [InlineData("1 + ")]
    public void WhereNothingFitsNothingIsOffered(string text) =>
        Assert.Empty(SharedSession.Value.Complete(text, text.Length).Names);

    [Fact]
    public void WhatTheNamesHaveInCommonIsInserted() =>
        Assert.Equal("ReadAll", new Completion(0, ["ReadAllBytes", "ReadAllLines", "ReadAllText"]).CommonPrefix());
}
