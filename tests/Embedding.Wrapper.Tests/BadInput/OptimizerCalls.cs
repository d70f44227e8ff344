using EmbeddingWrapper.Optim;
using TorchSharp.Modules;
using Adagrad = EmbeddingWrapper.Optim.Adagrad;
using SGD = EmbeddingWrapper.Optim.SGD;

namespace EmbeddingWrapper.Tests.BadInput;

// Calls on the optimizers.
public partial class BadInputTests
{
    private static IEnumerable<BadCall> OptimizerCalls()
    {
        const string adam = "SparseAdam.SparseAdam", adagrad = "Adagrad.Adagrad", sgd = "SGD.SGD", clip = "Gradients.ClipGradNorm";
        return
        [
            Throws<ArgumentNullException>(adam, "a null parameter", _ => new SparseAdam([(Parameter)null!]), "parameters"),
            Throws<ArgumentNullException>(adam, "a null group", _ => new SparseAdam([(SparseAdam.ParamGroup)null!]), "param_group"),
            Throws<ArgumentException>(adam, "no parameters", _ => new SparseAdam(Array.Empty<Parameter>()),
                "optimizer got an empty parameter list"),
            Throws<ArgumentException>(adam, "no groups", _ => new SparseAdam(Array.Empty<SparseAdam.ParamGroup>()),
                "optimizer got an empty parameter list"),
            Throws<ObjectDisposedException>(adam, "disposed", world => new SparseAdam([world.Few, world.DeadParameter]),
                "parameter 1"),
            Throws<ArgumentException>(adam, "sparse", world => new SparseAdam([world.Few, world.SparseParameter]),
                "Sparse params at indices [[0, 1]]"),
            Throws<ArgumentOutOfRangeException>(adam, "lr NaN", world => new SparseAdam([world.Few], double.NaN),
                "Invalid learning rate: nan"),
            Throws<ArgumentOutOfRangeException>(adam, "beta1 infinite",
                world => new SparseAdam([world.Few], beta1: double.PositiveInfinity), "Invalid beta parameter at index 0: inf"),
            Throws<ArgumentOutOfRangeException>(adam, "eps negative", world => new SparseAdam([world.Few], eps: -1),
                "Invalid epsilon value: -1.0"),
            Throws<ArgumentNullException>(adagrad, "a null parameter", _ => new Adagrad([(Parameter)null!]), "parameters"),
            Throws<ArgumentNullException>(adagrad, "a null group", _ => new Adagrad([(Adagrad.ParamGroup)null!]), "param_group"),
            Throws<ArgumentException>(adagrad, "no parameters", _ => new Adagrad(Array.Empty<Parameter>()),
                "optimizer got an empty parameter list"),
            Throws<ArgumentException>(adagrad, "no groups", _ => new Adagrad(Array.Empty<Adagrad.ParamGroup>()),
                "optimizer got an empty parameter list"),
            Throws<ObjectDisposedException>(adagrad, "disposed, in the second group",
                world => new Adagrad([new Adagrad.ParamGroup([world.Few]), new Adagrad.ParamGroup([world.DeadParameter])]), "parameter 0"),
            Throws<ArgumentException>(adagrad, "sparse", world => new Adagrad([world.Few, world.SparseParameter]),
                "Adagrad requires dense parameter tensors"),
            Throws<ArgumentOutOfRangeException>(adagrad, "lr NaN", world => new Adagrad([world.Few], double.NaN),
                "Invalid learning rate: nan"),
            Throws<ArgumentOutOfRangeException>(adagrad, "initial value NaN",
                world => new Adagrad([world.Few], initialAccumulatorValue: double.NaN),
                "Invalid initial_accumulator_value value: nan"),

            Throws<ArgumentException>("SparseOptimizer.add_param_group", "SparseAdam, options of another optimizer",
                world => world.Adam.Optimizer.add_param_group(WithOptionsOfSgd(new SparseAdam.ParamGroup([world.Few]))),
                "A group of SparseAdam is needed", "SGD"),
            Throws<ArgumentException>("SparseOptimizer.add_param_group", "Adagrad, options of another optimizer",
                world => world.Adagrad.Optimizer.add_param_group(WithOptionsOfSgd(new Adagrad.ParamGroup([world.Few]))),
                "A group of Adagrad is needed", "SGD"),
            Throws<ArgumentNullException>(sgd, "a null parameter", _ => new SGD([(Parameter)null!]), "parameters"),
            Throws<ArgumentNullException>(sgd, "a null group", _ => new SGD([(SGD.ParamGroup)null!]), "param_group"),
            Throws<ArgumentException>(sgd, "no parameters", _ => new SGD(Array.Empty<Parameter>()), "optimizer got an empty parameter list"),
            Throws<ArgumentException>(sgd, "no groups", _ => new SGD(Array.Empty<SGD.ParamGroup>()), "optimizer got an empty parameter list"),
            Throws<ObjectDisposedException>(sgd, "disposed", world => new SGD([world.Few, world.DeadParameter]), "parameter 1"),
            Throws<ArgumentException>(sgd, "sparse", world => new SGD([world.Few, world.SparseParameter]), "SGD requires dense parameter tensors"),
            Throws<ArgumentException>(sgd, "not a leaf", world => new SGD([world.Few, world.NonLeaf]), "can't optimize a non-leaf Tensor"),
            Throws<ArgumentOutOfRangeException>(sgd, "lr negative", world => new SGD([world.Few], -1e-7), "Invalid learning rate: -1e-07"),
            Throws<ArgumentException>(sgd, "nesterov without momentum", world => new SGD([world.Few], nesterov: true),
                "Nesterov momentum requires a momentum and zero dampening"),
            Throws<ArgumentNullException>(clip, "null", _ => Gradients.ClipGradNorm(null!, 1), "parameters"),
            Throws<ArgumentNullException>(clip, "a null parameter", world => Gradients.ClipGradNorm([world.Few, null!], 1), "Parameter 1"),
            Throws<ObjectDisposedException>(clip, "disposed", world => Gradients.ClipGradNorm([world.Sgd.Good.Weight, world.DeadParameter], 1), "parameter 1"),
            Throws<InvalidOperationException>(clip, "not finite", world =>
            {
                world.DenseSgd.Bad.Weight.grad = full([4, 3], float.NaN);
                Gradients.ClipGradNorm([world.Sgd.Good.Weight, world.DenseSgd.Bad.Weight], 1, 2, errorIfNonFinite: true);
            }, "The total norm of order 2.0 for gradients from `parameters` is non-finite"),
            .. AmongGoodOnes(adam, parameters => new SparseAdam(parameters)),
            .. AmongGoodOnes(adagrad, parameters => new Adagrad(parameters)),
            .. CallsOf("SparseAdam", world => world.Adam, world => world.Adagrad),
            .. CallsOf("Adagrad", world => world.Adagrad, world => world.Adam),
            .. CallsOf("SGD", world => world.Sgd, world => world.Adagrad),
            .. DenseStepCalls(),
        ];

        static ParamGroup WithOptionsOfSgd(ParamGroup group)
        {
            group.Options = new TorchSharp.Modules.SGD.Options();
            return group;
        }
    }

    /// <summary>One bad parameter between good ones is enough.</summary>
    private static IEnumerable<BadCall> AmongGoodOnes(string member, Func<Parameter[], OptimizerHelper> make)
    {
        return
        [
            Bad<ArgumentNullException>("null", _ => null, "One of the parameters is null"),
            Bad<ArgumentException>("not a leaf", world => world.NonLeaf, "can't optimize a non-leaf Tensor"),
            Bad<ArgumentException>("complex", world => world.ComplexParameter, "does not support complex parameters"),
        ];

        BadCall Bad<TException>(string input, Func<World, Parameter?> bad, params string[] words) where TException : Exception =>
            Throws<TException>(member, $"{input}, among good ones", world => make([world.Few, bad(world)!, world.Square.Weight]), words);
    }

    /// <summary>What both optimizers refuse; most calls are steps on sparse gradients.</summary>
    private static IEnumerable<BadCall> CallsOf(string type, Func<World, Trained> of, Func<World, Trained> other)
    {
        const string step = "SparseOptimizer.step", add = "SparseOptimizer.add_param_group", load = "SparseOptimizer.load_state_dict";
        const string unfit = "The gradient of parameter 1 of group 0 is ";
        return
        [
            Spoil<InvalidOperationException>("gradient of more rows", t => t.StepWith(Trained.Sparse(99_999, rows: 100_000)),
                $"{unfit}Float32 [100000, 3] on cpu, and the parameter Float32 [4, 3] on cpu"),
            Spoil<InvalidOperationException>("gradient of longer rows", t => t.StepWith(Trained.Sparse(3, width: 100_000)),
                $"{unfit}Float32 [4, 100000]"),
            Spoil<InvalidOperationException>("gradient of shorter rows", t => t.StepWith(Trained.Sparse(3, width: 2)),
                $"{unfit}Float32 [4, 2]"),
            Spoil<InvalidOperationException>("gradient of another dtype", t => t.StepWith(Trained.Sparse(3, ScalarType.Int64)),
                $"{unfit}Int64 [4, 3]"),
            Spoil<InvalidOperationException>("gradient with an index behind the end", t => t.StepWith(Trained.Sparse(99_999)),
                "an entry at index 99999 of dimension 0, of size 4"),
            Spoil<InvalidOperationException>("gradient with a negative index", t => t.StepWith(Trained.Sparse(-1)),
                "an entry at index -1 of dimension 0"),
            Spoil<InvalidOperationException>("gradient with an index behind the end of a row", t =>
            {
                using Tensor index = tensor(new long[,] { { 1 }, { 7 } }), value = ones(1);
                t.StepWith(sparse_coo_tensor(index, value, [4, 3]));
            }, "of dimension "),
            Spoil<InvalidOperationException>("weight with fewer rows", t => t.StepOver(zeros(1, 3)),
                $"{unfit}Float32 [4, 3] on cpu, and the parameter Float32 [1, 3]"),
            Spoil<InvalidOperationException>("weight with more rows, as the gradient", t =>
            {
                t.Bad.Weight.grad = Trained.Sparse(399, rows: 400);
                t.StepOver(zeros(400, 3));
            }, "The state of parameter 1 of group 0 is Float32 [4, 3] on cpu, and the parameter Float32 [400, 3] on cpu"),
            Spoil<ObjectDisposedException>("weight disposed", t =>
            {
                t.Bad.Dispose();
                t.Optimizer.step();
            }, "parameter 1 of group 0"),
            Spoil<ObjectDisposedException>("weight disposed in the closure", t => t.Optimizer.step(() =>
            {
                t.Bad.Dispose();
                return zeros(1);
            }), "parameter 1 of group 0"),
            Spoil<ObjectDisposedException>("state disposed", t =>
            {
                ((IDisposable)t.Optimizer.state_dict().State[1]).Dispose();
                t.Optimizer.step();
            }, "State"),
            Spoil<InvalidOperationException>("state to the meta device", t => t.Optimizer.state_dict().State[1].to(META),
                "The state cannot move to the meta device"),
            Spoil<InvalidOperationException>("an option that is gone", t =>
            {
                t.Options.LearningRate = null;
                t.Optimizer.step();
            }, "Parameter group 0 has lost"),
            Spoil<InvalidOperationException>("options of another optimizer", t =>
            {
                t.Group.Options = new TorchSharp.Modules.SGD.Options();
                t.Optimizer.step();
            }, "Parameter group 0 has lost"),
            Throws<InvalidOperationException>(step, $"{type}, a parameter that was not added", world =>
            {
                of(world).Group.Parameters = [other(world).Bad.Weight];
                of(world).Optimizer.step();
            }, "Nothing is kept for parameter 0 of group 0"),

            Throws<ArgumentException>(add, $"{type}, a group of another optimizer",
                world => of(world).Optimizer.add_param_group(other(world).Group), $"A group of {type} is needed"),
            Throws<ArgumentException>(add, $"{type}, the same group again", world => of(world).Optimizer.add_param_group(of(world).Group),
                "some parameters appear in more than one parameter group"),
            Throws<ArgumentException>(add, $"{type}, a parameter that is there, behind a new one",
                world => of(world).Optimizer.add_param_group(new ParamGroup { Parameters = [world.Few, of(world).Bad.Weight] }),
                "some parameters appear in more than one parameter group"),
            Throws<ArgumentException>(add, $"{type}, a group of no optimizer",
                world => of(world).Optimizer.add_param_group(new ParamGroup { Parameters = [world.Few] }), $"A group of {type} is needed"),
            Throws<ArgumentNullException>(add, $"{type}, no parameters at all", world => of(world).Optimizer.add_param_group(new ParamGroup()),
                "parameters"),

            Throws<ArgumentException>(load, $"{type}, of another optimizer",
                world => of(world).Optimizer.load_state_dict(other(world).Optimizer.state_dict()), $"A state of {type} is needed"),
            Throws<ArgumentException>(load, $"{type}, a null record", world =>
            {
                optim.Optimizer.StateDictionary state = of(world).Optimizer.state_dict();
                state.State[1] = null!;
                of(world).Optimizer.load_state_dict(state);
            }, $"A state of {type} is needed"),
            Throws<ObjectDisposedException>(load, $"{type}, a disposed record", world =>
            {
                optim.Optimizer.StateDictionary state = of(world).Optimizer.state_dict();
                ((IDisposable)state.State[1]).Dispose();
                of(world).Optimizer.load_state_dict(state);
            }, "State"),
        ];

        BadCall Spoil<TException>(string input, Action<Trained> call, params string[] words) where TException : Exception =>
            Throws<TException>(step, $"{type}, {input}", world => call(of(world)), words);
    }

    private static IEnumerable<BadCall> DenseStepCalls()
    {
        return
        [
            Throws<InvalidOperationException>("SparseOptimizer.step", "Adagrad, gradient that would be spread",
                world => world.DenseAdagrad.StepWith(zeros(1, 3)), "Float32 [1, 3]"),
            Throws<InvalidOperationException>("SparseOptimizer.step", "Adagrad, gradient 0-d", world => world.DenseAdagrad.StepWith(tensor(1f)),
                "Float32 []"),
            Throws<InvalidOperationException>("SparseOptimizer.step", "Adagrad, gradient on the meta device",
                world => world.DenseAdagrad.StepWith(zeros(4, 3, device: META)), "on meta"),
            Throws<InvalidOperationException>("SparseOptimizer.step", "Adagrad, gradient of float64",
                world => world.DenseAdagrad.StepWith(zeros(4, 3, float64)), "Float64 [4, 3]"),
            Throws<InvalidOperationException>("SparseOptimizer.step", "SGD, overlapping weight, dense gradient",
                world => world.DenseSgd.StepOver(zeros(1, 3).expand(4, 3)), "more than one element of the written-to tensor"),
            Throws<InvalidOperationException>("SparseOptimizer.step", "SGD, dense gradient, sparse momentum",
                world => world.Sgd.StepWith(zeros(4, 3)), "add(sparse, dense) is not supported. Use add(dense, sparse) instead."),
            Throws<InvalidOperationException>("SparseOptimizer.step", "SGD, sparse gradient, dense momentum, nesterov",
                world => world.DenseSgd.StepWith(Trained.Sparse(3)), "add(sparse, dense) is not supported. Use add(dense, sparse) instead."),
            Throws<InvalidOperationException>("SparseOptimizer.step", "SGD, weight decay, sparse gradient", world =>
            {
                ((SGD.Options)world.Sgd.Options).weight_decay = 0.1;
                world.Sgd.Optimizer.step();
            }, "add(sparse, dense) is not supported. Use add(dense, sparse) instead."),
            Throws<InvalidOperationException>("SparseOptimizer.step", "SparseAdam, gradient dense", world => world.Adam.StepWith(zeros(4, 3)),
                "does not support dense gradients"),
            Throws<InvalidOperationException>("SparseOptimizer.step", "Adagrad, overlapping weight, dense gradient",
                world => world.DenseAdagrad.StepOver(zeros(1, 3).expand(4, 3)), "more than one element of the written-to tensor"),
            Throws<InvalidOperationException>("SparseOptimizer.step", "Adagrad, weight decay, sparse gradient", world =>
            {
                ((Adagrad.Options)world.Adagrad.Options).weight_decay = 0.1;
                world.Adagrad.Optimizer.step();
            }, "weight_decay option is not compatible with sparse gradients"),
        ];
    }
}
