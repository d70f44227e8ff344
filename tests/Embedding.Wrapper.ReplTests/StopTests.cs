using EmbeddingWrapper.Repl.Prompt;

namespace EmbeddingWrapper.ReplTests;

/// <summary>What Ctrl-C does while a line runs. TerminalTests presses the real keys.</summary>
public class StopTests
{
    private static readonly Outcome Stopped = new(null, Failure.Stopped);

    [Theory]
    [InlineData("while(true);")]
    [InlineData("while (true) zeros(10).sum().Dispose();")]
    [InlineData("for (;;) { try { do ; while (true); } catch (Exception) { } }")]
    [InlineData("foreach (int i in Enumerable.Repeat(1, int.MaxValue)) foreach (int j in new[] { 1 }) { }")]
    [InlineData("void Deep() { while (true) ; } Deep();")]
    [InlineData("int Fib(int n) => n < 2 ? n : Fib(n - 1) + Fib(n - 2); Fib(100)")]
    [InlineData("Enumerable.Repeat(1, int.MaxValue).Count(x => { return x == 2; })")]
    [InlineData("await Task.Run(() => { while (true) ; });")]
    [InlineData("System.Threading.Thread.Sleep(-1);")]
    [InlineData("await Task.Delay(-1);")]
    [InlineData("await Task.Yield(); while (true) ;")]
    public async Task ALineThatRunsIsStoppedAndTheSessionGoesOn(string line)
    {
        Session session = NewSession();
        session.Run("var off = no_grad(); var x = 5;");
        for (int i = 0; i < 2; i++) Assert.Equal(Stopped, await RunAndStop(session, line));
        // The session still has its thread, because gradients are still off.
        Assert.Equal(new Outcome("\"5 False\"", null), session.Run("$\"{x} {is_grad_enabled()}\""));
    }

    [Fact]
    public async Task ALoopInALoadedFileIsStopped()
    {
        string path = Path.GetTempFileName();
        await File.WriteAllTextAsync(path, "using var e = new Embedding(2, 2);\nwhile (true) { }\n", TestContext.Current.CancellationToken);
        Assert.Equal(Stopped, await RunAndStop(NewSession(), $"#load \"{path}\""));
        File.Delete(path);
    }

    [Fact]
    public async Task WhatTheLineHadDoneStays()
    {
        Session session = NewSession();
        const string Name = nameof(WhatTheLineHadDoneStays);
        Task<Outcome> run = Task.Run(() => session.Run($"int turns = 0; while (true) AppContext.SetData(\"{Name}\", ++turns);"));
        while (AppContext.GetData(Name) is null) await Task.Delay(10, TestContext.Current.CancellationToken); // it has begun
        session.Stop();
        Assert.Equal(Stopped, await run);
        Assert.Equal(new Outcome("true", null), session.Run("turns > 0"));
    }

    [Fact]
    public async Task TensorsOutliveManyStops()
    {
        Session session = NewSession();
        session.Run("var sum = zeros(10);");
        const string Line = "while (true) { using var one = ones(10); sum.add_(one); }";
        for (int i = 0; i < 20; i++) Assert.Equal(Stopped, await RunAndStop(session, Line, after: 20));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        Assert.Equal(new Outcome("true", null), session.Run("sum.isfinite().all().item<bool>()"));
    }

    [Fact]
    public async Task ALibrarysOwnLoopIsLeftBehind()
    {
        using var told = new SemaphoreSlim(0);
        Session session = NewSession(() => told.Release());
        session.Run("bool go = true;");
        Task<Outcome> stopped = RunAndStop(session, """
            var ones = Enumerable.Repeat(1, int.MaxValue);
            ones.SelectMany(x => ones).TakeWhile(x => go).LongCount()
            """);
        await told.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        Assert.False(stopped.IsCompleted);
        session.Stop();
        Assert.Equal(new Outcome(null, Failure.LeftBehind), await stopped);
        Assert.Equal(new Outcome("2", null), session.Run("go = false; 1 + 1"));
    }

    [Fact]
    public void WithoutALineThatRunsNothingHappens()
    {
        Session session = NewSession();
        session.Stop();
        Assert.Equal(new Outcome("3", null), session.Run("int n = 0; while (n < 3) n++; n"));
    }

    [Theory]
    [InlineData("while(true);", "while(true){Go;;}")]
    [InlineData("do { f(); } while (x); // c", "do {Go; f(); } while (x); // c")]
    [InlineData("for (;;)\n  while (true)\n    f();", "for (;;)\n  {Go;while (true)\n    {Go;f();}}")]
    [InlineData("Action f = () => { foreach (var x in y) { } };", "Action f = () => {Go; foreach (var x in y) {Go; } };")]
    [InlineData("foreach (var (a, b) in y) g(a);", "foreach (var (a, b) in y) {Go;g(a);}")]
    [InlineData("int F() => 1; void G() { }", "int F() => Go ? (1) : default!; void G() {Go; }")]
    [InlineData("void F() => G();", "void F() => G();")]
    [InlineData("async Task F() => await G();", "async Task F() => await G();")]
    [InlineData("Func<int, int> f = x => x;", "Func<int, int> f = x => x;")]
    [InlineData("while (", "while (")]
    [InlineData("1 + 1", "1 + 1")]
    public void EachTurnAndEachFunctionIsChecked(string text, string expected) =>
        Assert.Equal(expected, LoopChecks.AddTo(text).Replace("global::EmbeddingWrapper.Repl.Prompt.LoopChecks.Go()", "Go"));

    private static async Task<Outcome> RunAndStop(Session session, string line, int after = 200)
    {
        Task<Outcome> run = Task.Run(() => session.Run(line));
        do await Task.Delay(after); while (!session.Stop()); // it is compiled before it runs
        return await run;
    }

    private static Session NewSession(Action? stillRunning = null) =>
        new(new ScriptGlobals(TextWriter.Null, []), Shared.Root, stillRunning);
}
