using System.Text;
using EmbeddingWrapper.Pretrained;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Scripting;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Scripting;
using TorchSharp;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>What a submission gave.</summary>
/// <param name="Value">The text of its value, if it has one.</param>
/// <param name="Failure">What went wrong, if something did.</param>
internal readonly record struct Outcome(string? Value, Failure? Failure);

/// <summary>
/// The engine of C# Interactive, with the usings of this library: runs one submission after the other, each seeing what
/// those before it declared. A submission that fails leaves the session as usable as it was.
/// </summary>
internal sealed class Session
{
    // An alias wins over the class of the same name that 'using TorchSharp.Modules;' brings.
    private const string Prelude = """
        using Adagrad = EmbeddingWrapper.Optim.Adagrad;
        using Embedding = EmbeddingWrapper.Embedding;
        using EmbeddingBag = EmbeddingWrapper.EmbeddingBag;
        using Parameter = TorchSharp.Modules.Parameter;
        using SGD = EmbeddingWrapper.Optim.SGD;
        """;

    private static readonly string[] Usings =
    [
        "System", "System.Collections.Generic", "System.IO", "System.Linq", "System.Threading.Tasks",
        "TorchSharp", "TorchSharp.torch", // the name of a type stands for 'using static'
        "EmbeddingWrapper", "EmbeddingWrapper.Optim", "EmbeddingWrapper.Pretrained",
    ];

    private readonly ScriptThread _thread;
    private readonly ScriptOptions _options, _optionsAsTyped;
    private readonly Task<ScriptState<object>> _start;
    private readonly Task _libTorch;
    private ScriptState<object>? _state;

    /// <summary>Returns at once: the compiler and libtorch load while the first line is typed.</summary>
    /// <param name="globals">What the scripts can name.</param>
    /// <param name="folder">Where <c>#load</c> and <c>#r</c> look.</param>
    /// <param name="stillRunning">Called when a line that is to stop goes on for a while.</param>
    public Session(ScriptGlobals globals, string folder, Action? stillRunning = null)
    {
        _thread = new ScriptThread(stillRunning ?? (() => { }));
        _options = ScriptOptions.Default
            .AddReferences(typeof(Enumerable).Assembly, typeof(torch).Assembly, typeof(Embedding).Assembly, typeof(WordVectors).Assembly)
            .AddReferences(typeof(LoopChecks).Assembly) // that of the globals alone is under an alias of the engine's
            .AddImports(Usings)
            .WithLanguageVersion(LanguageVersion.Latest)
            .WithSourceResolver(new LoadedFiles(folder, withChecks: true))
            .WithMetadataResolver(ScriptMetadataResolver.Default.WithBaseDirectory(folder))
            .WithEmitDebugInformation(true)
            .WithFileEncoding(Encoding.UTF8);
        _optionsAsTyped = _options.WithSourceResolver(new LoadedFiles(folder, withChecks: false));
        _libTorch = Task.Run(Program.HasLibTorch);
        _start = Task.Run(() => CSharpScript.Create<object>(Prelude, _options, typeof(ScriptGlobals)).RunAsync(globals));
    }

    /// <summary>Compiles and runs.</summary>
    /// <param name="text">Declarations and statements; an expression without a semicolon at the end is the value.</param>
    /// <param name="path">The file that the text was read from, for messages.</param>
    public Outcome Run(string text, string path = "")
    {
        text = Submission.WithoutUsingVar(text);
        if (path.Length == 0) text = Submission.WithSemicolons(text);
        Script<object> script = Continue(LoopChecks.AddTo(text), path);
        if (Errors(script).Length > 0)
        {
            // Once more as it was typed, for the columns.
            script = State.Script.ContinueWith<object>(text, _optionsAsTyped.WithFilePath(path));
            if (Errors(script) is { Length: > 0 } errors) return new Outcome(null, Failure.Of(errors));
        }
        bool hasValue = HasValue(script.GetCompilation());

        // While TorchSharp looks for libtorch the console is silenced.
        _libTorch.Wait();
        ScriptState<object>? state = null;
        string? value = null;
        try
        {
            _thread.Run(async () =>
            {
                state = await script.RunFromAsync(State, catchException: _ => true);
                if (hasValue && state.Exception is null) value = Echo.Text(state.ReturnValue);
            });
        }
        catch (OperationCanceledException)
        {
            _state = state ?? _state;
            return new Outcome(null, Failure.Stopped);
        }
        catch (TimeoutException)
        {
            return new Outcome(null, Failure.LeftBehind);
        }
        catch (Exception error)
        {
            _state = state ?? _state;
            return new Outcome(null, Failure.Of(error, path));
        }
        _state = state;
        return state?.Exception is { } exception ? new Outcome(null, Failure.Of(exception, path)) : new Outcome(value, null);
    }

    /// <summary>Stops the submission that runs; called again, leaves it behind.</summary>
    /// <returns>Whether one ran.</returns>
    public bool Stop() => _thread.Stop();

    /// <summary>The names that can stand at <paramref name="position"/> of <paramref name="text"/>.</summary>
    public Completion Complete(string text, int position) =>
        Completion.At(text, position, code => Continue(Submission.WithoutUsingVar(code), "").GetCompilation());

    /// <summary>Whether a name stands for something: a variable, a function, a type.</summary>
    public bool Knows(string name)
    {
        Compilation compilation = Continue("", "").GetCompilation();
        return compilation.GetSemanticModel(compilation.SyntaxTrees.Last()).LookupSymbols(0, name: name).Length > 0;
    }

    /// <summary>Compiles something, so that the compiler's own start is over before the first line is there.</summary>
    public Task WarmUp() => Task.Run(() =>
    {
        Continue("new Embedding(1, 1).Weight", "").Compile();
        Complete("torch.", 6);
    });

    private ScriptState<object> State => _state ?? _start.GetAwaiter().GetResult();

    private Script<object> Continue(string text, string path) =>
        State.Script.ContinueWith<object>(text, _options.WithFilePath(path));

    private static Diagnostic[] Errors(Script script) =>
        [.. script.Compile().Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)];

    private static bool HasValue(Compilation compilation)
    {
        // Files of #load come before the text itself.
        SyntaxTree tree = compilation.SyntaxTrees.Last();
        return Submission.Result(tree) is ExpressionSyntax result
            && compilation.GetSemanticModel(tree).GetTypeInfo(result).Type is not { SpecialType: SpecialType.System_Void };
    }
}
