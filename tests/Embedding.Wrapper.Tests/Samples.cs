using System.Reflection;
using EmbeddingWrapper.Optim;
using EmbeddingWrapper.Tests.Pretrained;
using TorchSharp.Modules;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>Calls members by reflection, with an argument for each type of parameter that a member has.</summary>
internal static class Samples
{
    private static readonly Dictionary<Type, Func<object>> Arguments = new()
    {
        [typeof(Tensor)] = () => Indices(1),
        [typeof(float[,])] = () => new float[2, 3],
        [typeof(double[,])] = () => new double[2, 3],
        [typeof(Parameter)] = () => new Parameter(zeros(4, 3)),
        [typeof(Dictionary<string, Tensor>)] = () => new Dictionary<string, Tensor> { ["weight"] = zeros(4, 3) },
        [typeof(IReadOnlyDictionary<string, Tensor>)] = () => new Dictionary<string, Tensor>(),
        [typeof(IEnumerable<Parameter>)] = () => new[] { new Parameter(zeros(4, 3)) },
        [typeof(IEnumerable<SparseAdam.ParamGroup>)] = () => new[] { new SparseAdam.ParamGroup([new Parameter(zeros(4, 3))]) },
        [typeof(IEnumerable<Optim.Adagrad.ParamGroup>)] = () => new[] { new Optim.Adagrad.ParamGroup([new Parameter(zeros(4, 3))]) },
        [typeof(IEnumerable<Optim.SGD.ParamGroup>)] = () => new[] { new Optim.SGD.ParamGroup([new Parameter(zeros(4, 3))]) },
        [typeof(ParamGroup)] = () => new SparseAdam.ParamGroup([new Parameter(zeros(4, 3))]),
        [typeof(optim.Optimizer.StateDictionary)] = () => new SparseAdam([new Parameter(zeros(4, 3))]).state_dict(),
        [typeof(OptimizerOptions)] = () => new SparseAdam.Options(),
        [typeof(OptimizerState)] = () => new SparseAdam([new Parameter(zeros(4, 3))]).state_dict().State[0],
        [typeof(BinaryReader)] = () => new BinaryReader(Stream.Null),
        [typeof(BinaryWriter)] = () => new BinaryWriter(Stream.Null),
        [typeof(Device)] = () => CPU,
        [typeof(string)] = () => "no such thing",
        [typeof(IEnumerable<string>)] = () => new[] { "no such thing" },
        [typeof(IReadOnlyList<string>)] = () => new[] { "no such thing" },
    };

    /// <summary>Objects to call instance members on.</summary>
    private static readonly Dictionary<Type, Func<object>> Instances = new()
    {
        [typeof(Embedding)] = () => new Embedding(4, 3),
        [typeof(EmbeddingBag)] = () => new EmbeddingBag(4, 3),
        [typeof(SparseOptimizer)] = () => new SparseAdam([new Parameter(zeros(4, 3))]),
        [typeof(SparseOptimizerOptions)] = () => new SparseAdam.Options(),
        [typeof(SparseOptimizerState)] = () => new SparseAdam([new Parameter(zeros(4, 3))]).state_dict().State[0],
        [typeof(SparseAdam)] = () => new SparseAdam([new Parameter(zeros(4, 3))]),
        [typeof(SparseAdam.Options)] = () => new SparseAdam.Options(),
        [typeof(SparseAdam.State)] = () => new SparseAdam([new Parameter(zeros(4, 3))]).state_dict().State[0],
        [typeof(Optim.Adagrad)] = () => new Optim.Adagrad([new Parameter(zeros(4, 3))]),
        [typeof(Optim.Adagrad.Options)] = () => new Optim.Adagrad.Options(),
        [typeof(Optim.SGD)] = () => new Optim.SGD([new Parameter(zeros(4, 3))]),
        [typeof(Optim.SGD.Options)] = () => new Optim.SGD.Options(),
        [typeof(Optim.SGD.State)] = () => new Optim.SGD([new Parameter(zeros(4, 3))]).state_dict().State[0],
        [typeof(Optim.Adagrad.State)] = () => new Optim.Adagrad([new Parameter(zeros(4, 3))]).state_dict().State[0],
        [typeof(EmbeddingWrapper.Pretrained.SafeTensorsFile)] =
            () => EmbeddingWrapper.Pretrained.SafeTensorsFile.Open(TestFolder.Golden("everything.verified.safetensors")),
        [typeof(EmbeddingWrapper.Pretrained.WordVectors)] = () => TestVectors.Load(TestFolder.Golden("gensim.verified.bin")),
    };

    public static object Instance(Type type) =>
        Instances.TryGetValue(type, out Func<object>? make) ? make() : throw new NotSupportedException($"{type} is new: say here how one is made.");

    /// <summary>Whether reflection can call the method. It cannot pass spans, because they cannot be boxed.</summary>
    public static bool CanCall(MethodBase method) =>
        !method.ContainsGenericParameters && method.GetParameters().All(parameter => !parameter.ParameterType.IsByRefLike);

    /// <summary>Calls a method or constructor with samples. The parameter <paramref name="isNull"/>, if there is one, gets null.</summary>
    public static void Call(MethodBase method, object? instance, ParameterInfo? isNull = null)
    {
        object?[] arguments = [.. method.GetParameters().Select(parameter => parameter == isNull ? null : Argument(parameter))];
        if (method is ConstructorInfo constructor) constructor.Invoke(BindingFlags.DoNotWrapExceptions, null, arguments, null);
        else method.Invoke(instance, BindingFlags.DoNotWrapExceptions, null, arguments, null);
    }

    private static object? Argument(ParameterInfo parameter)
    {
        if (parameter.HasDefaultValue && parameter.DefaultValue is not null) return parameter.DefaultValue;
        Type type = parameter.ParameterType;
        if (parameter.HasDefaultValue || type.IsByRef) return null;
        if (type.IsValueType) return Activator.CreateInstance(type);
        return Arguments.TryGetValue(type, out Func<object>? make) ? make()
            : throw new NotSupportedException($"{type} is new: say here what to give.");
    }
}
