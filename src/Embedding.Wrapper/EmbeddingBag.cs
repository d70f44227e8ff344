using System.Text;
using EmbeddingWrapper.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

/// <summary>
/// A table of vectors, looked up in bags: PyTorch's <c>torch.nn.EmbeddingBag</c>, computed by libtorch. It maps bags of indices to the
/// sum, mean or maximum of the rows of each bag, without a tensor of those rows.
/// </summary>
/// <remarks>
/// <para>
/// Use it like <see cref="Embedding"/>: in an optimizer through <c>parameters()</c>, with <c>state_dict</c>, <c>save</c>, <c>load</c>,
/// <c>to</c>, hooks, <c>train</c> and <c>eval</c>, tied to another layer through <see cref="Weight"/>, and on several threads. Everything
/// that is documented there holds here too. Its only parameter is <c>weight</c>.
/// </para>
/// <para>
/// <c>nn.Sequential</c> takes only modules of one argument by their type, and this one has three. A small module of yours makes it fit:
/// </para>
/// <code>
/// class Bags(EmbeddingBag bag) : nn.Module&lt;Tensor, Tensor&gt;("Bags")
/// {
///     private readonly EmbeddingBag bag = bag; // and RegisterComponents() in a constructor
///     public override Tensor forward(Tensor input) => bag.call(input);
/// }
/// </code>
/// </remarks>
public partial class EmbeddingBag : nn.Module<Tensor, Tensor?, Tensor?, Tensor>
{
    private readonly LayerTable _table;

    /// <summary>
    /// Makes a table of random vectors, drawn as by <see cref="Embedding"/>: after the same <c>torch.manual_seed</c> the values are
    /// PyTorch's, for float32 and float64.
    /// </summary>
    /// <param name="numEmbeddings">The number of rows, 0 or more. PyTorch: <c>num_embeddings</c>.</param>
    /// <param name="embeddingDim">The length of each row, 0 or more. PyTorch: <c>embedding_dim</c>.</param>
    /// <param name="maxNorm">
    /// Each look-up first scales the rows that it reads, in place, so that none has a larger norm. Any number is
    /// accepted, as in PyTorch. Default: never. PyTorch: <c>max_norm</c>.
    /// </param>
    /// <param name="normType">The p of the p-norm for <paramref name="maxNorm"/>. Default 2. PyTorch: <c>norm_type</c>.</param>
    /// <param name="scaleGradByFreq">
    /// Divides each gradient by the number of times its index occurs in the look-up. Default false. A look-up of maxima refuses it.
    /// PyTorch: <c>scale_grad_by_freq</c>.
    /// </param>
    /// <param name="mode">What a bag gives: the sum, the mean or the maximum of its rows. Default: the mean.</param>
    /// <param name="sparse">
    /// The gradient of the weight is a sparse tensor, for optimizers that take one. Default false. A look-up of maxima refuses it, and so
    /// does the backward pass together with <paramref name="scaleGradByFreq"/>.
    /// </param>
    /// <param name="includeLastOffset">
    /// The offsets have one number more than there are bags: the end of the last bag. Ignored for 2-D input. Default false. PyTorch:
    /// <c>include_last_offset</c>.
    /// </param>
    /// <param name="paddingIdx">
    /// A row that starts as zeros, gets no gradient, and is left out of sums, means and maxima. From <c>-numEmbeddings</c> to
    /// <c>numEmbeddings - 1</c>; a negative one counts from the end. Default: none. PyTorch: <c>padding_idx</c>.
    /// </param>
    /// <param name="device">Where the table lives. Default: TorchSharp's default device.</param>
    /// <param name="dtype">A floating-point type. Default: TorchSharp's default type, float32 unless changed.</param>
    /// <exception cref="ArgumentOutOfRangeException">
    /// A size is negative, the table would have more bytes than a 64-bit number counts, or <paramref name="paddingIdx"/> is outside it.
    /// </exception>
    /// <exception cref="ArgumentException"><paramref name="dtype"/> is not a floating-point type.</exception>
    /// <exception cref="InvalidOperationException">The machine has no such <paramref name="device"/>.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for the table.</exception>
    public EmbeddingBag(long numEmbeddings, long embeddingDim,
        double? maxNorm = null, double normType = 2.0, bool scaleGradByFreq = false,
        EmbeddingBagMode mode = EmbeddingBagMode.Mean, bool sparse = false,
        bool includeLastOffset = false, long? paddingIdx = null,
        Device? device = null, ScalarType? dtype = null)
        : this(LayerParameter.New(numEmbeddings, embeddingDim, paddingIdx, device, dtype, Guard.BagPaddingText),
               new BagOptions(maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset,
                   Guard.NormalizePaddingIdx(paddingIdx, numEmbeddings)))
    {
        try
        {
            ResetParameters();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private EmbeddingBag(LayerParameter weight, BagOptions options)
        : base(nameof(EmbeddingBag))
    {
        NumEmbeddings = weight.size(0);
        EmbeddingDim = weight.size(1);
        Options = options;
        _table = new LayerTable(this, new NativeEmbedding(weight, options), options.PaddingIdx, Register);
        Register(weight);
    }

    /// <summary>
    /// Makes a layer over existing vectors: PyTorch's <c>EmbeddingBag.from_pretrained</c>. It copies nothing and draws no random
    /// number. <see cref="Weight"/> is a new parameter over the memory of <paramref name="embeddings"/>, strides included. A write to
    /// either shows in both; training and <paramref name="maxNorm"/> write too.
    /// </summary>
    /// <param name="embeddings">
    /// The table, <c>[rows, D]</c>, of a floating-point type. The tensor object stays the caller's to use and to dispose, and its
    /// <c>requires_grad</c> is not changed.
    /// </param>
    /// <param name="freeze">The weight gets no gradient. Default true.</param>
    /// <param name="maxNorm">As in the constructor; it writes to the memory of <paramref name="embeddings"/>, frozen or not.</param>
    /// <param name="normType">As in the constructor. Default 2.</param>
    /// <param name="scaleGradByFreq">As in the constructor. Default false.</param>
    /// <param name="mode">As in the constructor. Default: the mean.</param>
    /// <param name="sparse">As in the constructor. Default false.</param>
    /// <param name="includeLastOffset">As in the constructor. Default false.</param>
    /// <param name="paddingIdx">
    /// A row that gets no gradient and is left out. Its values are kept, unlike in the constructor. From <c>-rows</c> to <c>rows - 1</c>.
    /// Default: none.
    /// </param>
    /// <returns>The layer, on the device and with the dtype of <paramref name="embeddings"/>.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="embeddings"/> is null.</exception>
    /// <exception cref="ArgumentException"><paramref name="embeddings"/> is not 2-dimensional, or of an integer type.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="paddingIdx"/> is outside the table.</exception>
    /// <exception cref="InvalidOperationException">
    /// <paramref name="embeddings"/> was made in inference mode, the call is outside of it, and <paramref name="freeze"/> is false.
    /// </exception>
    /// <exception cref="ObjectDisposedException"><paramref name="embeddings"/> is disposed.</exception>
    public static EmbeddingBag FromPretrained(Tensor embeddings, bool freeze = true,
        double? maxNorm = null, double normType = 2.0, bool scaleGradByFreq = false,
        EmbeddingBagMode mode = EmbeddingBagMode.Mean, bool sparse = false,
        bool includeLastOffset = false, long? paddingIdx = null)
    {
        long? padding = LayerParameter.CheckPretrained(embeddings, paddingIdx, trained: true, Guard.BagPaddingText);
        return new EmbeddingBag(LayerParameter.Over(embeddings, freeze),
            new BagOptions(maxNorm, normType, scaleGradByFreq, mode, sparse, includeLastOffset, padding));
    }

    /// <summary>The number of rows the layer was made with. PyTorch: <c>num_embeddings</c>.</summary>
    public long NumEmbeddings { get; }

    /// <summary>The length of each row the layer was made with. PyTorch: <c>embedding_dim</c>.</summary>
    public long EmbeddingDim { get; }

    /// <summary>The norm that rows are scaled down to when looked up, or null. PyTorch: <c>max_norm</c>.</summary>
    public double? MaxNorm => Options.MaxNorm;

    /// <summary>The p of the p-norm for <see cref="MaxNorm"/>. PyTorch: <c>norm_type</c>.</summary>
    public double NormType => Options.NormType;

    /// <summary>Whether gradients are divided by how often their index occurs. PyTorch: <c>scale_grad_by_freq</c>.</summary>
    public bool ScaleGradByFreq => Options.ScaleGradByFreq;

    /// <summary>Whether a bag gives the sum, the mean or the maximum of its rows. PyTorch: <c>mode</c>.</summary>
    public EmbeddingBagMode Mode => Options.Mode;

    /// <summary>Whether the gradient of the weight is a sparse tensor. PyTorch: <c>sparse</c>.</summary>
    public bool Sparse => Options.Sparse;

    /// <summary>Whether the last offset ends the last bag. PyTorch: <c>include_last_offset</c>.</summary>
    public bool IncludeLastOffset => Options.IncludeLastOffset;

    /// <summary>The padding row, counted from the start, or null. PyTorch: <c>padding_idx</c>.</summary>
    public long? PaddingIdx => Options.PaddingIdx;

    /// <inheritdoc cref="Embedding.CheckIndices"/>
    public bool CheckIndices { get; set; }

    private BagOptions Options { get; }

    /// <summary>
    /// Looks bags of rows up. TorchSharp's <c>call</c> does the same and also runs the hooks.
    /// </summary>
    /// <param name="input">
    /// Indices, int64 or int32: <c>[B, N]</c> for B bags of N rows, or <c>[N]</c> for bags that <paramref name="offsets"/> divide. Any
    /// strides, on the device of the weight. Not changed. Autograd keeps its memory until the backward pass.
    /// </param>
    /// <param name="offsets">
    /// Where each bag begins in a 1-D <paramref name="input"/>, int64 or int32, <c>[B]</c>: the first is 0, and none is smaller than the
    /// one before. Equal ones make an empty bag, whose result is zeros. With <see cref="IncludeLastOffset"/> one more, the end of the last
    /// bag. Must be null for a 2-D input.
    /// </param>
    /// <param name="perSampleWeights">
    /// A factor for each row of a sum, of the shape of <paramref name="input"/> and the dtype of the weight. It gets gradients. Default: 1
    /// throughout.
    /// </param>
    /// <returns>A new contiguous tensor, <c>[B, D]</c>, of the dtype of the weight. The caller disposes it.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="input"/> is null.</exception>
    /// <exception cref="ArgumentOutOfRangeException">
    /// An index is negative or not below the number of rows. On CUDA libtorch does not report it, unless <see cref="CheckIndices"/> is set.
    /// </exception>
    /// <exception cref="ArgumentException">
    /// A shape, a type or a device does not fit, or the offsets are not those of bags, or the factors are not for a sum.
    /// </exception>
    /// <exception cref="InvalidOperationException">
    /// The options do not fit together, or not the assigned weight, or libtorch refused for another reason.
    /// </exception>
    /// <exception cref="ObjectDisposedException">The layer or a tensor is disposed.</exception>
    /// <exception cref="OutOfMemoryException">There is no memory for the result.</exception>
    public override Tensor forward(Tensor input, Tensor? offsets = null, Tensor? perSampleWeights = null)
    {
        Guard.ThrowIfNullOrDisposed(input);
        if (offsets is not null) Guard.ThrowIfNullOrDisposed(offsets);
        if (perSampleWeights is not null) Guard.ThrowIfNullOrDisposed(perSampleWeights);
        return LookUp(input, offsets, perSampleWeights, Options);
    }

    private Tensor LookUp(Tensor input, Tensor? offsets, Tensor? perSampleWeights, BagOptions options)
    {
        _table.ThrowIfDisposed();
        using ReadGate.Reading life = _table.Gate.Enter(), memory = _table.Native.Gate.Enter();
        if (MaxNorm is null) return Compute();
        lock (_table.Native.Gate) return Compute(); // otherwise two threads, or two tied layers, could scale the same row twice

        Tensor Compute() => NativeBag.Compute(input, _table.Native.Weight, offsets, perSampleWeights, options, _table.Native, CheckIndices);
    }

    /// <summary>Looks bags of rows up and runs the hooks: <see cref="forward"/> without factors.</summary>
    /// <inheritdoc cref="forward"/>
    public Tensor call(Tensor input, Tensor? offsets = null) => call(input, offsets, null);

    /// <summary>PyTorch's <c>repr</c>: <c>EmbeddingBag(10, 3, mode='mean')</c>. It has the options that PyTorch's has.</summary>
    /// <returns>One line.</returns>
    public override string ToString()
    {
        var text = new StringBuilder($"{GetType().Name}({NumEmbeddings}, {EmbeddingDim}");
        if (MaxNorm is double maxNorm) text.Append($", max_norm={PythonText.Of(maxNorm)}");
        if (NormType != 2) text.Append($", norm_type={PythonText.Of(NormType)}");
        if (ScaleGradByFreq) text.Append($", scale_grad_by_freq={PythonText.Of(true)}");
        text.Append($", mode={PythonText.Of(PythonText.Of(Mode))}");
        if (PaddingIdx is long padding) text.Append($", padding_idx={padding}");
        return text.Append(')').ToString();
    }
}
