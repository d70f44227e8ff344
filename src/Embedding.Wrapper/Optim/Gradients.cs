using System.Runtime.InteropServices;
using EmbeddingWrapper.Native;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace EmbeddingWrapper.Optim;

/// <summary>Operations on gradients between the backward pass and the step.</summary>
public static class Gradients
{
    /// <summary>
    /// Scales the gradients of all parameters together, so that their norm is at most <paramref name="maxNorm"/>. Sparse and dense
    /// gradients count alike. PyTorch: <c>torch.nn.utils.clip_grad_norm_</c>, with its bits.
    /// </summary>
    /// <param name="parameters">
    /// Read once. Those without a gradient are left out. One that comes twice counts twice and is scaled twice.
    /// </param>
    /// <param name="maxNorm">The largest norm. With 0 all gradients become 0; a negative number turns their signs, as in PyTorch.</param>
    /// <param name="normType">
    /// The order of the norm; any number. Infinity means the largest absolute value, 0 the number of gradients that are not all zero.
    /// Default 2.
    /// </param>
    /// <param name="errorIfNonFinite">
    /// Whether a norm that is infinite or NaN is an error. Otherwise such a norm makes every gradient 0 or NaN. Default false.
    /// PyTorch: <c>error_if_nonfinite</c>.
    /// </param>
    /// <returns>
    /// The norm before clipping: a new tensor of shape <c>[]</c>, of the dtype that the gradients promote to, without a gradient of its
    /// own. The caller disposes it. Without any gradient it is 0, in the default dtype.
    /// </returns>
    /// <remarks>
    /// <para>
    /// Every gradient is multiplied in place by <c>min(1, maxNorm / (norm + 1e-6))</c>, also when that is 1. A sparse gradient is measured
    /// after the entries of each row are summed, and is not coalesced by it: the entries keep their order and their repetitions.
    /// </para>
    /// <para>
    /// TorchSharp's own <c>torch.nn.utils.clip_grad_norm_</c> counts a sparse gradient in the norm that it returns, but does not scale it,
    /// and reports no error. With the infinity norm it throws, and so does <c>clip_grad_value_</c>. <c>torch.optim.Adam</c> takes no sparse
    /// gradient either. Its message begins: <c>Could not run 'aten::addcmul_' with arguments from the 'SparseCPU' backend.</c> Use
    /// <see cref="SparseAdam"/>, <see cref="Adagrad"/> or <see cref="SGD"/>.
    /// </para>
    /// <para>
    /// As in PyTorch, a gradient without elements has no infinity norm and no negative norm. A batch of padding alone makes such a sparse
    /// gradient.
    /// </para>
    /// <para>
    /// Gradients belong to one thread at a time. Do not call this while another thread runs a backward pass, a step or <c>zero_grad</c> for the
    /// same parameters: libtorch then reads memory that was freed, and the process may end.
    /// </para>
    /// </remarks>
    /// <exception cref="ArgumentNullException"><paramref name="parameters"/> or one of them is null.</exception>
    /// <exception cref="ObjectDisposedException">A parameter is disposed. Nothing is changed then.</exception>
    /// <exception cref="InvalidOperationException">
    /// The norm is not finite and <paramref name="errorIfNonFinite"/> is true, or libtorch cannot compute the norm. Nothing is
    /// changed then.
    /// </exception>
    public static Tensor ClipGradNorm(
        IEnumerable<Parameter> parameters, double maxNorm, double normType = 2.0, bool errorIfNonFinite = false)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        using var grad = no_grad();
        using DisposeScope scope = NewDisposeScope();
        Parameter[] all = [.. parameters];
        using ReadGate.Reading memory = ReadGate.EnterAll(all.Where(parameter => parameter is { IsInvalid: false })); // as a step
        try
        {
            Tensor[] gradients = [.. GradientsOf(all)];
            if (gradients.Length == 0) return zeros([], get_default_dtype(), CPU).MoveToOuterDisposeScope();
            if (double.IsPositiveInfinity(normType) && gradients.Any(gradient => !gradient.is_sparse && gradient.numel() == 0))
            {
                throw new InvalidOperationException(
                    "_foreach_norm cannot compute the infinity norm on an empty tensor because the operation does not have an identity");
            }
            foreach (Tensor gradient in gradients)
            {
                TorchScript.ThrowIfReadOnly(gradient);
                if (!gradient.is_sparse) Guard.ThrowIfOverlapping(gradient);
            }
            Device device = gradients[0].device;
            // PyTorch sums the norms by device and dtype, and begins with the last pair. (Of three pairs or more it takes the order of a hash.)
            IEnumerable<Tensor> inOrder = gradients.GroupBy(each => (each.device.ToString(), each.dtype)).Reverse().SelectMany(group => group);
            Tensor norms = stack([.. inOrder.Select(gradient => TorchScript.Norm(gradient, normType).to(device))]);
            Tensor total = TorchScript.Norm(norms, normType);
            if (errorIfNonFinite && !total.isfinite().item<bool>()) throw NotFinite(normType);

            using Scalar epsilon = 1e-6, one = 1, limit = maxNorm;
            Tensor factor = total.add(epsilon, one).reciprocal().mul(limit).clamp(max: one);
            foreach (Tensor gradient in gradients) gradient.mul_(factor.to(gradient.device));
            return total.MoveToOuterDisposeScope();
        }
        catch (ExternalException error)
        {
            throw NativeErrors.Translate(error);
        }
    }

    private static IEnumerable<Tensor> GradientsOf(Parameter[] parameters)
    {
        foreach ((int index, Parameter parameter) in parameters.Index())
        {
            if (parameter is null) throw new ArgumentNullException(nameof(parameters), $"Parameter {index} is null.");
            if (parameter.IsInvalid) throw Guard.Disposed($"parameter {index}");
            if (parameter.grad is { } gradient) yield return gradient;
        }
    }

    private static InvalidOperationException NotFinite(double normType) => new(
        $"The total norm of order {PythonText.Of(normType)} for gradients from `parameters` is non-finite, so it cannot be clipped. "
        + "To disable this error and scale the gradients by the non-finite norm anyway, set `error_if_nonfinite=False`");
}
