using System.Runtime.CompilerServices;
using System.Text;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper;

/// <summary>The text of a tensor as PyTorch prints it.</summary>
public static partial class TensorDisplay
{
    // PyTorch's default print options.
    private const int LineWidth = 80;
    private const int Threshold = 1000;
    private const int EdgeItems = 3;

    // Python's recursion limit, at which PyTorch's print fails: each dimension is a call in a call.
    private const int MostDimensions = 1000;

    private const string Prefix = "tensor(";

    /// <summary>
    /// The text that Python's <c>print(tensor)</c> gives with PyTorch's default options, character for character:
    /// <c>tensor([[4.0000, 5.1000, 6.3000]])</c>. Lines end in <c>\n</c>, and the text is the same in every culture.
    /// </summary>
    /// <remarks>
    /// <para>
    /// One difference: for the result of a tracked operation PyTorch names the operation,
    /// <c>grad_fn=&lt;EmbeddingBackward0&gt;</c>. TorchSharp does not give the name, so the text has <c>requires_grad=True</c> there.
    /// </para>
    /// <para>
    /// A tensor of more than 1000 elements is shown by the first and last three of each long dimension. Only those are read
    /// and fetched from the device, so the text of a large table takes little time and memory.
    /// </para>
    /// </remarks>
    /// <param name="tensor">
    /// Any shape, strides, device and dtype, complex too; dense or sparse (COO). Not changed and not kept, and autograd tracks
    /// nothing. The text of a <see cref="Parameter"/> begins with PyTorch's line <c>Parameter containing:</c>.
    /// </param>
    /// <returns>One or more lines, without a line end after the last.</returns>
    /// <exception cref="ArgumentNullException"><paramref name="tensor"/> is null.</exception>
    /// <exception cref="ObjectDisposedException"><paramref name="tensor"/> is disposed.</exception>
    /// <exception cref="NotSupportedException">The dtype is one of the quantized ones, or there are more than 1000 dimensions.</exception>
    public static string Repr(this Tensor tensor)
    {
        Guard.ThrowIfNullOrDisposed(tensor);
        if (PythonText.DtypeName(tensor.dtype) is null) throw new NotSupportedException($"Repr shows no tensors of dtype {tensor.dtype}.");
        if (tensor.dim() > MostDimensions)
            throw new NotSupportedException($"The tensor has {tensor.dim()} dimensions, and {MostDimensions} is the limit of a text.");
        using DisposeScope scope = NewDisposeScope();
        Tensor data = tensor.detach();
        bool sparse = data.is_sparse;
        string text = sparse ? SparseText(data)
            : data.is_meta ? "..."
            : Elements(data, Prefix.Length);
        text = WithSuffixes(Prefix + text, Suffixes(tensor, data), breakFirst: sparse);
        return tensor is Parameter ? $"Parameter containing:\n{text}" : text;
    }

    private static string SparseText(Tensor data)
    {
        string indent = new(' ', Prefix.Length);
        return $"{Part("indices", data.SparseIndices)},\n{indent}{Part("values", data.SparseValues)}";

        static string Part(string name, Tensor part)
        {
            string start = $"{name}={Prefix}";
            string text = part.is_meta ? "..." : Elements(part, Prefix.Length + start.Length);
            string size = part.is_meta || part.numel() == 0 ? $", size={PythonText.Tuple(part.shape)}" : "";
            return $"{start}{text}{size})";
        }
    }

    private static List<string> Suffixes(Tensor tensor, Tensor data)
    {
        bool hasElements = data.numel() > 0 && !data.is_meta;
        var suffixes = new List<string>();

        if (data.device_type != DeviceType.CPU) suffixes.Add($"device='{data.device}'");

        // PyTorch leaves out what a reader, or torch.tensor(...), would assume.
        if (data.is_sparse || data.is_meta || !hasElements && data.dim() != 1) suffixes.Add($"size={PythonText.Tuple(data.shape)}");
        if (data.is_sparse && !data.is_meta) suffixes.Add($"nnz={data.SparseValues.size(0)}");
        if (!IsImplied(data.dtype, hasElements || data.is_sparse)) suffixes.Add($"dtype={PythonText.Dtype(data.dtype)}");
        if (data.is_sparse) suffixes.Add("layout=torch.sparse_coo");
        if (tensor.requires_grad) suffixes.Add($"requires_grad={PythonText.Of(true)}");
        if (data.has_names()) suffixes.Add($"names={PythonText.Tuple(Array.ConvertAll(data.names, PythonText.Of))}");
        return suffixes;
    }

    private static bool IsImplied(ScalarType dtype, bool hasElements)
    {
        ScalarType usual = get_default_dtype();
        if (dtype == usual || !hasElements) return dtype == usual;
        return dtype is ScalarType.Int64 or ScalarType.Bool
            || dtype == (usual == ScalarType.Float64 ? ScalarType.ComplexFloat64 : ScalarType.ComplexFloat32);
    }

    private static string WithSuffixes(string start, List<string> suffixes, bool breakFirst)
    {
        var text = new StringBuilder(start);
        int column = start.Length - (start.LastIndexOf('\n') + 1) + 2;
        foreach (string suffix in suffixes)
        {
            if (breakFirst || column + suffix.Length + 2 > LineWidth)
            {
                text.Append(",\n").Append(' ', Prefix.Length);
                column = Prefix.Length + suffix.Length;
                breakFirst = false;
            }
            else
            {
                text.Append(", ");
                column += suffix.Length + 2;
            }
            text.Append(suffix);
        }
        return text.Append(')').ToString();
    }

    /// <summary>The numbers in their brackets.</summary>
    /// <param name="data">Dense, not on the meta device.</param>
    /// <param name="indent">The column where the text starts.</param>
    private static string Elements(Tensor data, int indent)
    {
        if (data.numel() == 0) return "[]";
        if (data.has_names()) data = data.rename(null); // as_strided refuses named tensors
        long[] shape = data.shape;
        bool summarize = data.numel() > Threshold;
        (string[] items, int width) = Numbers(summarize ? Edges(data) : data);
        var text = new StringBuilder();
        int next = 0;
        Block(0, indent);
        return text.ToString();

        void Block(int dim, int indent)
        {
            RuntimeHelpers.EnsureSufficientExecutionStack(); // an exception, where a thread has a small stack
            if (dim == shape.Length)
            {
                text.Append(items[next++]);
                return;
            }
            bool innermost = dim == shape.Length - 1;
            bool abridged = summarize && shape[dim] > 2 * EdgeItems;
            long slots = abridged ? 2 * EdgeItems + 1 : shape[dim];
            int perLine = innermost ? Math.Max(1, (LineWidth - indent) / (width + 2)) : 1;
            int lineEnds = innermost ? 1 : shape.Length - dim - 1;

            text.Append('[');
            for (long slot = 0; slot < slots; slot++)
            {
                if (slot > 0)
                {
                    text.Append(',');
                    if (slot % perLine == 0) text.Append('\n', lineEnds).Append(' ', indent + 1);
                    else text.Append(' ');
                }
                if (abridged && slot == EdgeItems) text.Append(innermost ? " ..." : "...");
                else Block(dim + 1, indent + 1);
            }
            text.Append(']');
        }
    }

    /// <summary>
    /// The first and last three of each long dimension, as a 2 x 3 view of it. Nothing is copied.
    /// </summary>
    private static Tensor Edges(Tensor data)
    {
        long[] shape = data.shape, strides = data.stride();
        var size = new List<long>();
        var stride = new List<long>();
        for (int dim = 0; dim < shape.Length; dim++)
        {
            if (shape[dim] > 2 * EdgeItems)
            {
                size.AddRange(2, EdgeItems);
                stride.AddRange((shape[dim] - EdgeItems) * strides[dim], strides[dim]);
            }
            else
            {
                size.Add(shape[dim]);
                stride.Add(strides[dim]);
            }
        }
        return data.as_strided([.. size], [.. stride], data.storage_offset());
    }
}
