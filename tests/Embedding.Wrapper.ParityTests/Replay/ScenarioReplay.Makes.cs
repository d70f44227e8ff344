using System.Text.Json;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

// The steps that make something: tensors, modules, hooks.
internal sealed partial class ScenarioReplay
{
    [Does("tensor")]
    private Tensor MakeTensor(Arguments given)
    {
        JsonElement value = given.Required("value");
        Tensor plain = TensorText.Decode(value).to(_device);
        Tensor tensor = Layout.Of(plain, given.OptionalText("layout"));
        return tensor.requires_grad_(value.TryGetProperty("requires_grad", out _));
    }

    [Does("seed")]
    private void Seed(Arguments given) => manual_seed(given.Integer("value"));

    [Does("default_dtype")]
    private void DefaultDtype(Arguments given) => set_default_dtype(GoldenText.Dtype(given.Text("dtype")));

    // Random numbers are drawn on the CPU for CUDA too, because CUDA's generator gives other numbers.
    [Does("randn")]
    private Tensor Draw(Arguments given) => randn(given.Integers("shape"), Dtype(given)).to(_device);

    [Does("embedding")]
    private Embedding MakeEmbedding(Arguments given)
    {
        Options options = Options.From(given);
        return Place(new Embedding(given.Integer("num_embeddings"), given.Integer("embedding_dim"),
            options.PaddingIdx, options.MaxNorm, options.NormType, options.ScaleGradByFreq, options.Sparse,
            dtype: Dtype(given)));
    }

    [Does("from_pretrained")]
    private Embedding FromPretrained(Arguments given)
    {
        Options options = Options.From(given);
        return Own(Embedding.FromPretrained(TensorAt(given.Text("embeddings")), given.Flag("freeze", otherwise: true),
            options.PaddingIdx, options.MaxNorm, options.NormType, options.ScaleGradByFreq, options.Sparse));
    }

    [Does("embedding_bag")]
    private EmbeddingBag MakeBag(Arguments given)
    {
        BagOptions options = BagOptions.From(given);
        return Place(new EmbeddingBag(given.Integer("num_embeddings"), given.Integer("embedding_dim"),
            options.MaxNorm, options.NormType, options.ScaleGradByFreq, options.Mode, options.Sparse, options.IncludeLastOffset,
            options.PaddingIdx, dtype: Dtype(given)));
    }

    [Does("bag_from_pretrained")]
    private EmbeddingBag BagFromPretrained(Arguments given)
    {
        BagOptions options = BagOptions.From(given);
        return Own(EmbeddingBag.FromPretrained(TensorAt(given.Text("embeddings")), given.Flag("freeze", otherwise: true),
            options.MaxNorm, options.NormType, options.ScaleGradByFreq, options.Mode, options.Sparse, options.IncludeLastOffset,
            options.PaddingIdx));
    }

    [Does("sequential")]
    private Sequential MakeSequential(Arguments given) =>
        Own(nn.Sequential(given.Texts("of").Select(At<nn.Module<Tensor, Tensor>>)));

    [Does("linear")]
    private Linear MakeLinear(Arguments given) =>
        Place(nn.Linear(given.Integer("in_features"), given.Integer("out_features"), hasBias: false));

    [Does("hook")]
    private Action MakeHook(Arguments given)
    {
        return (At(given.Text("of")), given.Text("kind")) switch
        {
            (nn.Module<Tensor, Tensor> module, "forward_pre") => module.register_forward_pre_hook((_, input) => input + 1).remove,
            (nn.Module<Tensor, Tensor> module, "forward") => module.register_forward_hook((_, _, output) => output * 10).remove,
            (EmbeddingBag bag, "forward_pre") =>
                bag.register_forward_pre_hook((_, input, offsets, factors) => (input + 1, offsets, factors)).remove,
            (EmbeddingBag bag, "forward") => bag.register_forward_hook((_, _, _, _, output) => output * 10).remove,
            var (of, other) => throw new GoldenFormatException($"A {of?.GetType().Name} has no hook '{other}'."),
        };
    }

    private T Place<T>(T module) where T : nn.Module
    {
        Own(module);
        if (_device.type != DeviceType.CPU) module.to(_device);
        return module;
    }

    private static ScalarType? Dtype(Arguments given) =>
        given.OptionalText("dtype") is { } name ? GoldenText.Dtype(name) : null;

    /// <summary>The options of a look-up by their names on the page. An option that is left out has the page's default.</summary>
    private sealed record Options(long? PaddingIdx, double? MaxNorm, double NormType, bool ScaleGradByFreq, bool Sparse)
    {
        public static Options From(Arguments given) => new(
            given.OptionalInteger("padding_idx"),
            given.OptionalNumber("max_norm"),
            given.OptionalNumber("norm_type") ?? 2.0,
            given.Flag("scale_grad_by_freq"),
            given.Flag("sparse"));
    }

    /// <summary>The options of a look-up of bags by their names on the page. An option that is left out has the page's default.</summary>
    private sealed record BagOptions(double? MaxNorm, double NormType, bool ScaleGradByFreq, EmbeddingBagMode Mode, bool Sparse,
        bool IncludeLastOffset, long? PaddingIdx)
    {
        public static BagOptions From(Arguments given)
        {
            Options options = Options.From(given);
            EmbeddingBagMode mode = given.OptionalText("mode") switch
            {
                "sum" => EmbeddingBagMode.Sum,
                null or "mean" => EmbeddingBagMode.Mean,
                "max" => EmbeddingBagMode.Max,
                _ => (EmbeddingBagMode)7, // any other word stands for a value that is no mode
            };
            return new(options.MaxNorm, options.NormType, options.ScaleGradByFreq, mode, options.Sparse,
                given.Flag("include_last_offset"), options.PaddingIdx);
        }
    }
}
