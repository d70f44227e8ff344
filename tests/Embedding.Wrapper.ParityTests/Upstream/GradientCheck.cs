using TorchSharp;
using static TorchSharp.torch;

namespace EmbeddingWrapper.ParityTests.Upstream;

/// <summary>Compares derivatives with central differences in float64, as PyTorch's gradcheck and gradgradcheck do.</summary>
internal static class GradientCheck
{
    // A difference approximates a derivative. Step and absolute tolerance are gradcheck's; its relative tolerance is wider.
    private const double Step = 1e-6, Tolerance = 1e-5;

    /// <summary>Checks the first derivative of <paramref name="function"/> by its argument, and the derivatives of that.</summary>
    public static void FirstAndSecond(Func<Tensor, Tensor> function, Tensor argument)
    {
        First(function, argument);

        Tensor result = function(argument);
        Tensor gradient = randn_like(result).requires_grad_();
        First(Backward, gradient);

        Tensor Backward(Tensor incoming) =>
            autograd.grad([function(argument)], [argument], [incoming], create_graph: true).Single();
    }

    private static void First(Func<Tensor, Tensor> function, Tensor argument)
    {
        Tensor result = function(argument);
        Tensor direction = randn_like(result); // the result times this, summed, is a number whose derivative depends on every element
        Tensor analytic = autograd.grad([result], [argument], [direction]).Single();
        Tensor numeric = Numeric(argument, () => (function(argument) * direction).sum().ToDouble());
        Assert.True(analytic.allclose(numeric, rtol: Tolerance, atol: Tolerance), $"{analytic}\n{numeric}");
    }

    private static Tensor Numeric(Tensor argument, Func<double> number)
    {
        using Tensor memory = argument.detach();
        Tensor numeric = empty_like(memory);
        for (long at = 0; at < memory.numel(); at++)
        {
            using var scope = NewDisposeScope();
            Tensor element = memory.view(-1)[at];
            double usual = element.ToDouble();
            double Moved(double to)
            {
                element.fill_(to);
                return number();
            }
            double slope = (Moved(usual + Step) - Moved(usual - Step)) / (2 * Step);
            element.fill_(usual);
            numeric.view(-1)[at].fill_(slope);
        }
        return numeric;
    }
}
