using System.Runtime.CompilerServices;
using Transformer.Backends;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>output[i] = left[i] + right[i].</summary>
/// <remarks>
/// Shapes: [Length] each; output may be either input.
/// Work: a batch is 8,192 elements; four vectors at a time, so that loads overlap.
/// Bytes: 12 bytes an element for one addition: bound by memory.
/// Numerics: one rounding an element, on storing the sum.
/// Preconditions: a validated call; buffers of 16 bits come widened from RowKernel.
/// </remarks>
internal sealed class AddForwardSimd
    : RowKernel<AddForward, AddForwardElements>
{
    protected override void RunSingle(in AddForward call) =>
        SimdDispatch.Run(new AddForwardAction(call));
}

/// <summary>The call at one vector width.</summary>
internal readonly unsafe struct AddForwardAction(AddForward call) : ISimdAction
{
    internal const int BatchLength = 8192;

    public void Run<T>() where T : struct, ISimdFloat<T>
    {
        Work<T> work = new(
            call.Left.Pointer<float>(), call.Right.Pointer<float>(), call.Length,
            call.Output.Pointer<float>());
        CpuParallel.For(checked((int)((call.Length + BatchLength - 1) / BatchLength)), ref work);
    }

    private readonly struct Work<T>(float* left, float* right, long length, float* output)
        : IBatchWork
        where T : struct, ISimdFloat<T>
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Run(int batch)
        {
            nint i = (nint)batch * BatchLength;
            nint end = (nint)Math.Min(length, i + BatchLength);
            for (; i + 4 * T.Width <= end; i += 4 * T.Width)
            {
                T s0 = T.Load(left + i) + T.Load(right + i);
                T s1 = T.Load(left + i + T.Width) + T.Load(right + i + T.Width);
                T s2 = T.Load(left + i + 2 * T.Width) + T.Load(right + i + 2 * T.Width);
                T s3 = T.Load(left + i + 3 * T.Width) + T.Load(right + i + 3 * T.Width);
                T.Store(s0, output + i);
                T.Store(s1, output + i + T.Width);
                T.Store(s2, output + i + 2 * T.Width);
                T.Store(s3, output + i + 3 * T.Width);
            }

            for (; i < end; i += T.Width)
            {
                T sum = SimdTail.Load<T>(left + i, end - i)
                    + SimdTail.Load<T>(right + i, end - i);
                SimdTail.Store(sum, output + i, end - i);
            }
        }
    }
}

/// <summary>Rows of <see cref="AddForward"/>.</summary>
internal readonly struct AddForwardElements : IRowCall<AddForward>
{
    public static int MostRows => AddForwardAction.BatchLength;

    public static long Rows(in AddForward call) => call.Length;

    public static AddForward Part(
        in AddForward call, ref RowStage stage) => call with
    {
        Length = stage.Count,
        Left = stage.Read("left", call.Left),
        Right = stage.Read("right", call.Right),
        Output = stage.Write("output", call.Output),
    };
}
