using EmbeddingWrapper.Repl.Prompt.Terminal;

namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>Runs C# for a person at a terminal, from a pipe or from a file.</summary>
/// <param name="output">What the code and its values write.</param>
/// <param name="error">Where failures go, when it is not a terminal.</param>
/// <param name="colour">Marks failures red.</param>
/// <param name="args">The command line of a script, after its name.</param>
internal sealed class Shell(TextWriter output, TextWriter error, bool colour = false, IReadOnlyList<string>? args = null)
{
    private Session _session = NewSession(output, args);
    private Failure? _last;

    /// <summary>A prompt, until <c>quit</c> or Ctrl-D.</summary>
    public void AtTerminal()
    {
        output.WriteLine("C# with Embedding.Wrapper and TorchSharp. help tells more, quit leaves.");
        _session.WarmUp();
        Console.CancelKeyPress += StopTheLine;
        var editor = new LineEditor(
            output,
            (text, more) => IsCommand(text) || Submission.IsComplete(text, more),
            (text, position) => _session.Complete(text, position),
            new History(HistoryFile.OfTheUser()));
        try
        {
            while (true)
            {
                // As a key it clears what is being typed; as a signal it stops what runs.
                Console.TreatControlCAsInput = true;
                string? text = editor.Read();
                Console.TreatControlCAsInput = false;
                if (text is null || !Submit(text, output)) return;
            }
        }
        finally
        {
            Console.TreatControlCAsInput = false;
            Console.CancelKeyPress -= StopTheLine;
        }
    }

    /// <summary>
    /// Every submission of <paramref name="input"/>, those after a failure too. Values are shown, without prompts.
    /// </summary>
    /// <returns>The exit code: 0, or 1 if any of them failed.</returns>
    public int Piped(TextReader input)
    {
        foreach (string text in Submissions(input))
        {
            if (!Submit(text, error)) break;
        }
        return _last is null ? 0 : 1;
    }

    /// <summary>A whole file as one submission.</summary>
    /// <returns>The exit code: 0, or 1 if it failed.</returns>
    public int Script(string path)
    {
        path = Path.GetFullPath(path);
        if (!File.Exists(path))
        {
            error.WriteLine(Red($"There is no file {path}."));
            return 1;
        }
        Show(_session.Run(File.ReadAllText(path), path), error);
        return _last is null ? 0 : 1;
    }

    /// <summary>The lines of <paramref name="input"/> in groups that can be run.</summary>
    private static IEnumerable<string> Submissions(TextReader input)
    {
        string text = "";
        for (string? line = input.ReadLine(), next; line is not null; line = next)
        {
            next = null;
            text = text.Length == 0 ? line : $"{text}\n{line}";
            bool complete = IsCommand(text) || Submission.IsComplete(text, moreFollows: true);
            if (complete || !Submission.IsComplete(text)) next = null;
            else
            {
                // A declaration without its semicolon: the next line shows whether it goes on.
                next = input.ReadLine();
                complete = next is null || BeginsAStatement(next);
            }
            if (complete)
            {
                yield return text;
                text = "";
            }
            next ??= input.ReadLine();
        }
        if (text.Length > 0) yield return text;
    }

    private static bool BeginsAStatement(string line) =>
        line.TrimStart() is [var first, ..] && (char.IsLetterOrDigit(first) || "_@$\"'#".Contains(first));

    private static bool IsCommand(string text) =>
        text.Trim() is "#help" or "#error" or "#reset" or "#clear" or "#quit" or "#exit";

    /// <summary>
    /// Runs one submission or command. <c>help</c>, <c>exit</c> and <c>quit</c> are commands without their mark too, unless something has
    /// that name.
    /// </summary>
    /// <returns>False if it ends the session.</returns>
    private bool Submit(string text, TextWriter failures)
    {
        string command = text.Trim();
        string word = command.TrimEnd(';').Replace("()", "");
        if (word is "help" or "exit" or "quit" && !_session.Knows(word)) command = $"#{word}";
        switch (command)
        {
            case "":
                break;
            case "#help":
                output.WriteLine(Help.Text);
                break;
            case "#error":
                output.WriteLine(_last?.Details ?? "Nothing has failed.");
                break;
            case "#reset":
                _session = NewSession(output, args);
                break;
            case "#clear":
                if (!Console.IsOutputRedirected) Console.Clear();
                break;
            case "#quit" or "#exit":
                return false;
            default:
                Show(_session.Run(text), failures);
                break;
        }
        return true;
    }

    private void Show(Outcome outcome, TextWriter failures)
    {
        if (outcome.Value is not null) output.WriteLine(outcome.Value);
        if (outcome.Failure is null) return;
        _last = outcome.Failure;
        failures.WriteLine(Red(outcome.Failure.Line));
    }

    private string Red(string text) => colour ? $"\e[31m{text}\e[0m" : text;

    private void StopTheLine(object? sender, ConsoleCancelEventArgs signal)
    {
        if (signal.SpecialKey != ConsoleSpecialKey.ControlC) return;
        signal.Cancel = true;
        _session.Stop();
    }

    private static Session NewSession(TextWriter output, IReadOnlyList<string>? args) =>
        new(new ScriptGlobals(output, args ?? []), Environment.CurrentDirectory,
            () => output.WriteLine("Still running, in a native call or in a library. Ctrl-C again leaves it behind."));
}
