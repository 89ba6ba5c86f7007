using System.Runtime.InteropServices;
using Transformer.Backends;
using Transformer.Cuda.Driver;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cuda.AdamW;

/// <summary>Launches native/AdamW/adamw.cu.</summary>
internal sealed class AdamWCuda(CudaQueue queue) : IKernel<AdamWForward>
{
    private readonly TypedKernel kernel = new(queue, "adamw", "adamw_{0}");

    public bool Supports(in AdamWForward call, out string? reason) => CudaTypes.Same(
        out reason, ("parameter", call.Parameter), ("gradient", call.Gradient)) &&
        CudaTypes.Single(
            out reason, ("firstMoment", call.FirstMoment), ("secondMoment", call.SecondMoment),
            ("gradientScale", call.GradientScale));

    public void Run(in AdamWForward call)
    {
        bool aligned = Aligned(call.Parameter) && Aligned(call.Gradient) &&
            Aligned(call.FirstMoment) && Aligned(call.SecondMoment);
        long vectors = aligned ? call.Length / 4 : 0;
        kernel[call.Parameter.DType].Launch(
            CudaElements.Shape(call.Length, (ulong)vectors), new Argument
            {
                Parameter = call.Parameter.Address,
                Gradient = call.Gradient.Address,
                First = call.FirstMoment.Address,
                Second = call.SecondMoment.Address,
                GradientScale = call.GradientScale.Address,
                Length = call.Length,
                Vectors = vectors,
                Beta1 = (float)call.Beta1,
                Rest1 = (float)(1 - call.Beta1),
                Beta2 = (float)call.Beta2,
                Rest2 = (float)(1 - call.Beta2),
                Keep = (float)(1 - (call.LearningRate * call.WeightDecay)),
                Rate = (float)(call.LearningRate / (1 - Math.Pow(call.Beta1, call.Step))),
                RootCorrection = (float)Math.Sqrt(1 - Math.Pow(call.Beta2, call.Step)),
                Epsilon = (float)call.Epsilon,
            });
    }

    private static bool Aligned(BufferView view) => view.Address % (4 * view.DType.Size()) == 0;

    [StructLayout(LayoutKind.Sequential)]
    private struct Argument
    {
        public nint Parameter, Gradient, First, Second, GradientScale;
        public long Length, Vectors;
        public float Beta1, Rest1, Beta2, Rest2, Keep, Rate, RootCorrection, Epsilon;
    }
}
