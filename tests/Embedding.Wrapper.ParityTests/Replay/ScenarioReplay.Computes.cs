using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Replay;

// The steps that compute: look-ups, gradients, a few of libtorch's operations.
internal sealed partial class ScenarioReplay
{
    [Does("functional")]
    private Tensor LookUp(Arguments given)
    {
        Options options = Options.From(given);
        return Functional.Embedding(TensorAt(given.Text("input")), TensorAt(given.Text("weight")),
            options.PaddingIdx, options.MaxNorm, options.NormType, options.ScaleGradByFreq, options.Sparse);
    }

    // call and not forward, because call runs the hooks
    [Does("forward")]
    private Tensor Forward(Arguments given)
    {
        Tensor input = TensorAt(given.Text("input"));
        return At(given.Text("of")) switch
        {
            EmbeddingBag bag => bag.call(input, OptionalTensorAt(given, "offsets"), OptionalTensorAt(given, "per_sample_weights")),
            nn.IModule<Tensor, Tensor> module => module.call(input),
            var other => throw new GoldenFormatException($"A {other?.GetType().Name} cannot be called."),
        };
    }

    [Does("functional_embedding_bag")]
    private Tensor LookUpBags(Arguments given)
    {
        BagOptions options = BagOptions.From(given);
        return Functional.EmbeddingBag(TensorAt(given.Text("input")), TensorAt(given.Text("weight")), OptionalTensorAt(given, "offsets"),
            options.MaxNorm, options.NormType, options.ScaleGradByFreq, options.Mode, options.Sparse,
            OptionalTensorAt(given, "per_sample_weights"), options.IncludeLastOffset, options.PaddingIdx);
    }

    [Does("backward")]
    private void Backward(Arguments given)
    {
        Tensor of = TensorAt(given.Text("of"));
        bool createGraph = given.Flag("create_graph");
        bool retainGraph = given.Flag("retain_graph", otherwise: createGraph);
        Tensor? gradient = OptionalTensorAt(given, "gradient");
        of.backward(gradient is null ? null : [gradient], retainGraph, createGraph);
    }

    [Does("grad")]
    private Tensor Grad(Arguments given) => ScriptOps.Grad(TensorAt(given.Text("of")), TensorAt(given.Text("wrt")),
        OptionalTensorAt(given, "gradient"), given.Flag("create_graph"));

    [Does("op")]
    private Tensor Compute(Arguments given)
    {
        Tensor[] of = [.. given.Texts("of").Select(TensorAt)];
        return given.Text("name") switch
        {
            "sum" => of[0].sum(),
            "square" => of[0].square(),
            "exp" => of[0].exp(),
            "clone" => of[0].clone(),
            "detach" => of[0].detach(),
            "sigmoid" => of[0].sigmoid(),
            "prod" => of[0].prod(),
            "mul" => of[0].mul(of[1]),
            "add" => of[0].add(of[1]),
            "matmul_t" => of[0].matmul(of[1].t()),
            "unsqueeze0" => of[0].unsqueeze(0),
            "unsqueeze1" => of[0].unsqueeze(1),
            "to_dense" => of[0].to_dense(),
            "coalesce" => ScriptOps.Coalesce(of[0]),
            "contiguous" => of[0].contiguous(),
            var other => throw new GoldenFormatException($"No operation is called '{other}'."),
        };
    }
}
