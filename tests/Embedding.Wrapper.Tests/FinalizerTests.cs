using System.Reflection;
using System.Reflection.Emit;
using static EmbeddingWrapper.Tests.Shared;

namespace EmbeddingWrapper.Tests;

/// <summary>Calls work while the garbage collector runs and finalizes all the time: nothing that libtorch reads is left to it.</summary>
public class FinalizerTests
{
    /// <summary>
    /// The storms below meet the fault rarely. This finds it in the code: a scalar that is made and not kept in a variable is freed by its
    /// finalizer, and TorchSharp's <c>ToInt64()</c> and the like make one inside.
    /// </summary>
    [Fact]
    public void NoScalarIsLeftToTheFinalizer()
    {
        const BindingFlags all = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        (int Kept, List<string> Left) = (0, []);
        foreach (Type type in XmlDocumentation.Libraries.SelectMany(library => library.GetTypes()))
        {
            foreach (MethodBase method in type.GetMethods(all).Cast<MethodBase>().Concat(type.GetConstructors(all)))
            {
                if (method.GetMethodBody()?.GetILAsByteArray() is not { } code) continue;
                for (int at = 0; at + 5 < code.Length; at++)
                {
                    if (code[at] != OpCodes.Call.Value || Called(method, BitConverter.ToInt32(code, at + 1)) is not { } called) continue;
                    bool isKept = called.Name == "op_Implicit" && (code[at + 5] is >= 0x0A and <= 0x0D or 0x13 or 0xFE or 0x7D); // stloc, stfld
                    if (isKept) Kept++;
                    else Left.Add($"{type}.{method.Name}: {called}");
                }
            }
        }
        Assert.NotEqual(0, Kept);
        Assert.True(Left.Count == 0, string.Join('\n', Left));

        // The method if it makes a scalar. Bytes that are no call may look like one, and then name no method.
        static MethodBase? Called(MethodBase method, int token)
        {
            try
            {
                Type[]? types = method.DeclaringType!.IsGenericType ? method.DeclaringType.GetGenericArguments() : null;
                MethodBase? called = method.Module.ResolveMethod(token, types, method.IsGenericMethod ? method.GetGenericArguments() : null);
                if (called?.DeclaringType == typeof(Scalar) && called.Name == "op_Implicit") return called;
                return called?.DeclaringType == typeof(TensorExtensionMethods) && called.Name.StartsWith("To", StringComparison.Ordinal) ? called : null;
            }
            catch (Exception error) when (error is ArgumentException or BadImageFormatException)
            {
                return null;
            }
        }
    }

    private static void InAStorm(Action call)
    {
        bool over = false;
        Task storm = Task.Run(() =>
        {
            while (!Volatile.Read(ref over))
            {
                GC.Collect(0);
                GC.WaitForPendingFinalizers();
            }
        });
        try
        {
            long until = Environment.TickCount64 + 1500;
            do call();
            while (Environment.TickCount64 < until);
        }
        finally
        {
            Volatile.Write(ref over, true);
            storm.Wait();
        }
    }

    [Fact]
    public void CheckedLookups()
    {
        using var layer = new Embedding(100, 3) { CheckIndices = true };
        using Tensor good = tensor(new[] { 99, 0, 7 });
        InAStorm(() => layer.forward(good).Dispose());
    }

    [Fact]
    public void BadIndicesGetTheirOwnError()
    {
        using var layer = new Embedding(100, 3) { CheckIndices = true };
        using Tensor bad = Indices(99, -7);
        InAStorm(() =>
        {
            var error = Assert.Throws<ArgumentOutOfRangeException>(() => layer.forward(bad));
            Assert.StartsWith("index out of range in self: index -7 at position [1] is not in [0, 100)", error.Message);
        });
    }

    [Fact]
    public void LookupsWithMaxNorm()
    {
        using var layer = Embedding.FromPretrained(Table(), maxNorm: 0.5);
        using Tensor input = Indices(1, 2);
        InAStorm(() => layer.forward(input).Dispose());
    }

    [Fact]
    public void TheFunction()
    {
        using Tensor table = Table(), input = Indices(1, 2);
        InAStorm(() => Functional.Embedding(input, table, paddingIdx: 1, maxNorm: 0.5, scaleGradByFreq: true).Dispose());
    }

    [Fact]
    public void ConversionsAndNewLayers()
    {
        using Tensor table = Table();
        using var layer = Embedding.FromPretrained(table);
        InAStorm(() =>
        {
            layer.to(float64);
            layer.to(float32);
            using var other = new Embedding(4, 3, paddingIdx: 1);
            layer.load_state_dict(other.state_dict());
        });
    }

    [Fact]
    public void Texts()
    {
        using Tensor table = Table();
        string expected = table.Repr();
        InAStorm(() => Assert.Equal(expected, table.Repr()));
    }
}
