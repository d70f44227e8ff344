using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests.BadInput;

// Calls on the state of the optimizers.
public partial class BadInputTests
{
    /// <summary>Calls that set the state of a parameter.</summary>
    private static IEnumerable<BadCall> StateCalls()
    {
        return
        [
            .. Setter("State.exp_avg", (world, value) => ((SparseAdam.State)world.Adam.State).exp_avg = value),
            .. Setter("State.exp_avg_sq", (world, value) => ((SparseAdam.State)world.Adam.State).exp_avg_sq = value),
            .. Setter("State.sum", (world, value) => ((Adagrad.State)world.Adagrad.State).sum = value),
            Throws<ArgumentOutOfRangeException>("State.step", "negative", world => ((SparseAdam.State)world.Adam.State).step = -1, "value"),
            Throws<ArgumentException>("State.momentum_buffer", "more rows",
                world => ((SGD.State)world.Sgd.State).momentum_buffer = zeros(5, 3), "shape [4, 3]", "Float32 [5, 3]"),
            Throws<ArgumentException>("State.momentum_buffer", "complex",
                world => ((SGD.State)world.Sgd.State).momentum_buffer = zeros(4, 3, ScalarType.ComplexFloat32), "ComplexFloat32"),
            Throws<ObjectDisposedException>("State.momentum_buffer", "disposed",
                world => ((SGD.State)world.Sgd.State).momentum_buffer = world.Dead, "value"),
            Throws<DirectoryNotFoundException>("SparseOptimizer.save_state_dict", "no such folder",
                world => world.Adam.Optimizer.save_state_dict(Path.Combine(Path.GetTempPath(), "no", "such", "folder"))),
            Throws<ArgumentException>("SparseOptimizer.StateOf", "another's parameter", world => world.Adam.Optimizer.StateOf(world.Few),
                "in no group"),
            Throws<ObjectDisposedException>("SparseOptimizer.StateOf", "disposed", world => world.Adam.Optimizer.StateOf(world.DeadParameter),
                "parameter"),
            .. new[] { "SparseAdam.StateOf", "Adagrad.StateOf", "SGD.StateOf" }.Select(member => Throws<ArgumentException>(member, "another's parameter", world =>
            {
                Trained trained = member switch
                {
                    "SparseAdam.StateOf" => world.Adam,
                    "Adagrad.StateOf" => world.Adagrad,
                    _ => world.Sgd,
                };
                trained.Optimizer.StateOf(world.Few);
            }, "in no group")),
        ];

        static IEnumerable<BadCall> Setter(string member, Action<World, Tensor> set) =>
        [
            Throws<ArgumentException>(member, "more rows", world => set(world, zeros(5, 3)), "shape [4, 3]", "Float32 [5, 3]"),
            Throws<ArgumentException>(member, "a row that would be spread", world => set(world, zeros(1, 3)), "Float32 [1, 3]"),
            Throws<ArgumentException>(member, "complex", world => set(world, zeros(4, 3, complex64)), "ComplexFloat32 [4, 3]"),
            Throws<ArgumentException>(member, "sparse", world => set(world, Trained.Sparse(1)), "sparse"),
            Throws<ObjectDisposedException>(member, "disposed", world => set(world, world.DeadParameter), "value"),
        ];
    }

    /// <summary>Calls on the records of the state, which are public because TorchSharp's are.</summary>
    private static IEnumerable<BadCall> RecordCalls()
    {
        return
        [
            .. Of(world => world.Adam, world => world.Adagrad, "SparseAdam"),
            .. Of(world => world.Adagrad, world => world.Adam, "Adagrad"),
            .. Of(world => world.Sgd, world => world.Adam, "SGD"),
            Throws<ArgumentException>("SparseOptimizerState.Initialize", "an open value",
                world => world.Adagrad.State.Initialize(new Adagrad.Options()), "open"),
        ];

        static IEnumerable<BadCall> Of(Func<World, Trained> of, Func<World, Trained> other, string type) =>
        [
            Throws<ArgumentException>("SparseOptimizerOptions.LoadStateDict", $"of another optimizer than {type}",
                world => of(world).Options.LoadStateDict(other(world).Options), $"A record of {type} is needed"),
            Throws<InvalidOperationException>("SparseOptimizerOptions.SaveStateDict", $"{type}, an option is open", world =>
            {
                OptimizerOptions options = of(world).Options;
                options.LearningRate = null;
                var stream = new MemoryStream();
                try
                {
                    options.SaveStateDict(new BinaryWriter(stream));
                }
                finally
                {
                    Assert.Equal(0, stream.Length);
                }
            }, "An option is open"),
            Throws<ArgumentException>("SparseOptimizerState.Initialize", $"of another optimizer than {type}",
                world => of(world).State.Initialize(other(world).Options), $"A record of {type} is needed"),
            Throws<ArgumentException>("SparseOptimizerState.LoadStateDict", $"of another optimizer than {type}",
                world => of(world).State.LoadStateDict(other(world).State), $"A record of {type} is needed"),
            Throws<InvalidOperationException>("SparseOptimizerState.LoadStateDict", $"{type}, one record alone",
                world => of(world).State.LoadStateDict(new BinaryReader(new MemoryStream(new byte[100]))), "of the whole optimizer"),
            Throws<InvalidOperationException>("SparseOptimizerState.SaveStateDict", $"{type}, one record alone",
                world => of(world).State.SaveStateDict(new BinaryWriter(Stream.Null)), "of the whole optimizer"),
            Throws<InvalidDataException>("SparseOptimizerOptions.LoadStateDict", $"{type}, something else",
                world => of(world).Options.LoadStateDict(new BinaryReader(new MemoryStream(new byte[100]))), "mark", "0000000000000000"),
            Throws<ObjectDisposedException>("SparseOptimizerState.LoadStateDict", $"{type}, a disposed record", world =>
            {
                OptimizerState second = of(world).Optimizer.state_dict().State[1];
                ((IDisposable)second).Dispose();
                of(world).State.LoadStateDict(second);
            }, "State"),
            Throws<ObjectDisposedException>("SparseOptimizerOptions.SaveStateDict", $"{type}, a state is disposed", world =>
            {
                ((IDisposable)of(world).Optimizer.state_dict().State[1]).Dispose();
                of(world).Options.SaveStateDict(new BinaryWriter(Stream.Null));
            }, "State"),
            Throws<ObjectDisposedException>("SparseOptimizerState.to", $"{type}, parameter disposed", world =>
            {
                OptimizerState second = of(world).Optimizer.state_dict().State[1];
                of(world).Bad.Dispose();
                second.to(CPU);
            }, "parameter"),
        ];
    }
}
