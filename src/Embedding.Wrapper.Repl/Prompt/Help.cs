namespace EmbeddingWrapper.Repl.Prompt;

/// <summary>The text of <c>help</c>.</summary>
internal static class Help
{
    public const string Text = """
        Type C#. An expression without a semicolon shows its value; a tensor is shown as PyTorch prints it.

            var embedding = new Embedding(10, 3);
            embedding.call(tensor(new long[] { 1, 2 }))
            embedding.Lookup(1, 2)

        Usings: System, System.Collections.Generic, System.IO, System.Linq, System.Threading.Tasks, TorchSharp,
        static TorchSharp.torch, EmbeddingWrapper and its .Optim and .Pretrained. A declaration at the end of a line needs no semicolon.
        'using var' is 'var' here: a variable lives as long as the session. Print(x) writes a value as Python's print does.

            help            this text              quit, exit, Ctrl-D   leave
            #error          all of the last error; the line in red is its beginning
            #load "x.csx"   runs a file            #r "x.dll"   references an assembly
            #clear          empties the terminal   #reset       forgets all that was declared

        #help, #quit and #exit always are commands. help, quit and exit are unless something has that name.

        Tab completes members, names of arguments and variables; twice, it lists them. Up and down go through the history, which is kept
        between sessions. Ctrl-R searches it: type a part of a line, Ctrl-R again for an older one, Enter to run it, Escape to go back.
        Enter goes to a new line while the text is not complete; an empty line ends it all the same. Alt-Enter always does.
        Ctrl-C clears what is being typed, and stops a line that runs: its loops at their next turn, its sleep at once.
        A native call (one large matmul, say) and a library's own loop cannot be stopped: the line ends after it. Pressed
        again, Ctrl-C leaves such a line behind: it runs on in the background. Ctrl-\ ends the process.
        """;
}
