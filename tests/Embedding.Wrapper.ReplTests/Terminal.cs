using System.Diagnostics;

namespace EmbeddingWrapper.ReplTests;

/// <summary>A program in a terminal of 120 x 40, which tmux runs. Tests press keys and read the screen.</summary>
internal sealed class Terminal : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("embedding-wrapper-");

    /// <param name="command">A command for the shell. The terminal shows its exit code after it has ended.</param>
    /// <param name="state">The folder for the state of programs. Default: one of its own.</param>
    public Terminal(string command, string? state = null)
    {
        command = $"export XDG_STATE_HOME='{state ?? _folder.FullName}'; {command}";
        command = $"{command}; echo \"exit code $?\"; sleep 60";
        Tmux("-u", "-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "40", command);
    }

    /// <summary>The reason why no terminal is available, or null.</summary>
    public static string? Missing { get; } = Find();

    /// <summary>The lines on the screen, without trailing spaces and without empty lines at the end.</summary>
    public string Screen => Tmux("capture-pane", "-p").TrimEnd('\n');

    /// <summary>The same with the codes for colour.</summary>
    public string ColouredScreen => Tmux("capture-pane", "-p", "-e");

    /// <summary>Types text as it is.</summary>
    public void Type(string text)
    {
        // A semicolon at the end would end tmux's own command.
        if (text.EndsWith(';')) text = $"{text[..^1]}\\;";
        Tmux("send-keys", "-l", text);
    }

    /// <summary>Presses keys by tmux's names for them: Enter, Up, C-c.</summary>
    public void Press(params string[] keys) => Tmux(["send-keys", .. keys]);

    /// <summary>Types a line, ends it, and waits for <paramref name="answer"/> below it.</summary>
    public void Enter(string line, string answer)
    {
        Type(line);
        Press("Enter");
        WaitFor($"{line}\n{answer}");
    }

    /// <summary>Inserts text as a terminal inserts what is pasted.</summary>
    public void Paste(string text)
    {
        Tmux("set-buffer", text);
        Tmux("paste-buffer");
    }

    /// <summary>Waits until <paramref name="text"/> is on the screen.</summary>
    public void WaitFor(string text)
    {
        var clock = Stopwatch.StartNew();
        while (!Screen.Contains(text, StringComparison.Ordinal))
        {
            Assert.True(clock.Elapsed < Patience, $"Not on the screen: {text}\n\nThe screen:\n{Screen}");
            Thread.Sleep(50);
        }
    }

    public void Dispose()
    {
        Tmux("kill-server");
        _folder.Delete(recursive: true);
    }

    private string Tmux(params IEnumerable<string> arguments)
    {
        // Each test has its own server: a server that is shutting down would end the next test's session.
        (int exitCode, string output) = Run(["-S", Path.Combine(_folder.FullName, "socket"), .. arguments]);
        Assert.True(exitCode == 0, output);
        return output;
    }

    private static string? Find()
    {
        try
        {
            return Run(["-V"]).ExitCode == 0 ? null : "tmux does not run";
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "there is no tmux (Debian: apt-get install tmux)";
        }
    }

    private static (int ExitCode, string Output) Run(IEnumerable<string> arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo("tmux", arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["TMUX"] = "", ["NO_COLOR"] = "", ["TERM"] = "xterm" },
        })!;
        string output = process.StandardOutput.ReadToEnd() + process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output);
    }
}
