using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using TorchSharp.PyBridge;
using static EmbeddingWrapper.Tests.OptimizerTests;
using static EmbeddingWrapper.Tests.Shared;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests;

/// <summary>
/// The state of an optimizer goes to PyTorch and comes from it, by TorchSharp.PyBridge, and training goes on with the same bits. The files
/// are those of <c>parity-scripts/checks/optimizer_state.py</c>. PYTHON names an interpreter that has PyTorch.
/// </summary>
public class OptimizerPyTorchTests
{
    private static readonly string Python = Environment.GetEnvironmentVariable("PYTHON") ?? "/usr/bin/python3";

    /// <summary>What the script recorded: the tables after two steps, what is kept for them, and the tables after two steps more.</summary>
    private sealed record Recorded(string[] before, Dictionary<string, JsonElement>[] state, string[] after);

    private static string Name(Kind kind) => kind == Kind.SparseAdam ? "sparse_adam" : kind.ToString().ToLowerInvariant();

    private static string Folder([CallerFilePath] string path = "") => Path.Combine(Path.GetDirectoryName(path)!, "OptimizerStates");

    private static Recorded Golden(Kind kind) =>
        JsonSerializer.Deserialize<Recorded>(File.ReadAllText(Path.Combine(Folder(), $"{Name(kind)}.verified.json")))!;

    private static Parameter[] Tables(string[]? bits = null) => [.. Enumerable.Range(0, 2).Select(i =>
    {
        using Tensor numbers = Table(), start = numbers / 8;
        return new Parameter(bits is null ? start.clone() : tensor(
            [.. Convert.FromHexString(bits[i]).Chunk(sizeof(float)).Select(each => BitConverter.ToSingle(each))], 4, 3));
    })];

    /// <summary>As in the script, unless all options are to come from a file.</summary>
    private static SparseOptimizer NewOptimizer(Kind kind, Parameter[] tables, bool options = true) => (kind, options) switch
    {
        (Kind.SparseAdam, true) => new SparseAdam(
            [new SparseAdam.ParamGroup([tables[0]]), new SparseAdam.ParamGroup([tables[1]], new() { LearningRate = 0.25 })], 0.1, 0.8, 0.95, 1e-4),
        (Kind.SparseAdam, false) => new SparseAdam([new SparseAdam.ParamGroup([tables[0]]), new SparseAdam.ParamGroup([tables[1]])], maximize: true),
        (Kind.SGD, true) => new SGD(
            [new SGD.ParamGroup([tables[0]]), new SGD.ParamGroup([tables[1]], new() { LearningRate = 0.25 })], 0.1, 0.9, 0.25),
        (Kind.SGD, false) => new SGD([new SGD.ParamGroup([tables[0]]), new SGD.ParamGroup([tables[1]])], weightDecay: 1, maximize: true),
        (_, true) => new Adagrad(
            [new Adagrad.ParamGroup([tables[0]]), new Adagrad.ParamGroup([tables[1]], new() { LearningRate = 0.25 })], 0.1, 0.01, 0, 0.5, 1e-4),
        _ => new Adagrad([new Adagrad.ParamGroup([tables[0]]), new Adagrad.ParamGroup([tables[1]])], lrDecay: 0.9, eps: 1, maximize: true),
    };

    private static void Train(Parameter[] tables, SparseOptimizer optimizer, params int[] steps)
    {
        long[][] batches = [[1, 2, 1], [3], [0, 3, 3], [1]];
        foreach (int step in steps)
        {
            long[] rows = batches[step];
            using Tensor flat = tensor(rows), indices = flat.unsqueeze(0), row = tensor(new[] { 0.7f, -0.3f, 1.1f }), values = row.repeat(rows.Length, 1);
            foreach (Parameter table in tables)
            {
                Tensor gradient = sparse_coo_tensor(indices, values, table.shape);
                table.grad = optimizer is SGD ? gradient.to_dense() : gradient; // TorchSharp.PyBridge takes no sparse tensors
            }
            optimizer.step();
        }
    }

    private static string[] Hex(Parameter[] tables) => [.. tables.Select(table => Convert.ToHexStringLower(Bits(table)))];

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void AStateOfPyTorchIsLoadedAndTrainingGoesOn(Kind kind)
    {
        Recorded golden = Golden(kind);
        Parameter[] tables = Tables(golden.before);
        using SparseOptimizer optimizer = NewOptimizer(kind, tables, options: false);

        optimizer.load_py(Path.Combine(Folder(), $"{Name(kind)}.verified.pt"));

        Train(tables, optimizer, 2, 3);
        Assert.Equal(golden.after, Hex(tables));
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void TheStateIsPyTorchs(Kind kind)
    {
        Recorded golden = Golden(kind);
        Parameter[] tables = Tables();
        using SparseOptimizer optimizer = NewOptimizer(kind, tables);
        Train(tables, optimizer, 0, 1);
        Assert.Equal(golden.before, Hex(tables));
        foreach ((Parameter table, Dictionary<string, JsonElement> expected) in tables.Zip(golden.state))
        {
            SparseOptimizerState state = optimizer.StateOf(table);
            foreach ((string name, JsonElement value) in expected)
            {
                object? actual = state.GetType().GetProperty(name)!.GetValue(state);
                if (actual is Tensor tensor) Assert.Equal(value.GetString(), Convert.ToHexStringLower(Bits(tensor)));
                else Assert.Equal(value.GetDouble(), (long)actual!);
            }
        }
    }

    [Theory]
    [InlineData(Kind.SparseAdam)]
    [InlineData(Kind.Adagrad)]
    [InlineData(Kind.SGD)]
    public void PyTorchLoadsASavedStateAndTrainingGoesOn(Kind kind)
    {
        Assert.SkipUnless(HasPyTorch, "python3-torch is not installed");
        Recorded golden = Golden(kind);
        Parameter[] tables = Tables();
        using SparseOptimizer optimizer = NewOptimizer(kind, tables);
        Train(tables, optimizer, 0, 1);
        string file = Path.Combine(AppContext.BaseDirectory, $"{Name(kind)}.pt"); // within the repository, which is all that some Pythons see
        optimizer.save_py(file);
        File.WriteAllText($"{file}.json", JsonSerializer.Serialize(new { optimizer = Name(kind), golden.before }));

        (int exitCode, string output, string errors) =
            Run("-B", Path.GetFullPath(Path.Combine(Folder(), "../../../parity-scripts/checks/optimizer_state.py")), "resume", file);

        Assert.True(exitCode == 0, errors);
        Assert.Equal(golden.after, JsonSerializer.Deserialize<string[]>(output));
    }

    [Theory]
    [InlineData(Kind.SparseAdam, 0)]
    [InlineData(Kind.SparseAdam, 2)]
    [InlineData(Kind.Adagrad, 0)]
    [InlineData(Kind.Adagrad, 2)]
    [InlineData(Kind.SGD, 0)]
    [InlineData(Kind.SGD, 2)]
    public void WhatSavePyWritesLoadPyReads(Kind kind, int steps)
    {
        Parameter[] tables = Tables(), others = Tables();
        using SparseOptimizer from = NewOptimizer(kind, tables), to = NewOptimizer(kind, others, options: false);
        Train(tables, from, [.. Enumerable.Range(0, steps)]);
        Train(others, to, 2);
        foreach ((Parameter table, Parameter other) in tables.Zip(others))
            using (no_grad()) other.copy_(table);
        using var stream = new MemoryStream();
        from.save_py(stream, leaveOpen: true);
        stream.Position = 0;
        to.load_py(stream);

        Train(tables, from, 2, 3);
        Train(others, to, 2, 3);
        Assert.Equal(Hex(tables), Hex(others));
        to.save_state_dict(new BinaryWriter(Stream.Null));
        Assert.Equal(from.state_dict().Options.Select(options => options.LearningRate), to.state_dict().Options.Select(options => options.LearningRate));
    }

    [Fact]
    public void AStateOfAnotherShapeLeavesTheOptimizerUsable()
    {
        Parameter[] tables = Tables(), larger = [new(Table(5)), new(Table(5))];
        using SparseOptimizer from = NewOptimizer(Kind.SparseAdam, tables), to = NewOptimizer(Kind.SparseAdam, larger);
        Train(tables, from, 0);
        using var stream = new MemoryStream();
        from.save_py(stream, leaveOpen: true);
        stream.Position = 0;

        Assert.ThrowsAny<Exception>(() => to.load_py(stream));

        Train(larger, to, 0);
    }

    internal static bool HasPyTorch { get; } = Run("-c", "import torch").ExitCode == 0;

    internal static (int ExitCode, string Output, string Errors) Run(params string[] arguments)
    {
        try
        {
            var start = new ProcessStartInfo(Python, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
            using Process python = Process.Start(start)!;
            Task<string> errors = python.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            string output = python.StandardOutput.ReadToEnd();
            python.WaitForExit();
            return (python.ExitCode, output, errors.Result);
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            return (-1, "", error.Message);
        }
    }
}
