using Transformer.Backends;
using Transformer.Kernels.Ilgpu.Device;
using Transformer.Kernels.Ilgpu.Launch;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Kernels.Ilgpu.Embedding;

/// <summary>Launches <see cref="EmbeddingKernels"/>.</summary>
/// <remarks>An id outside its table makes its row NaN.</remarks>
internal sealed class EmbeddingForwardIlgpu(KernelQueue queue) : IKernel<EmbeddingForward>
{
    private readonly ByType<ITyped<EmbeddingForward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in EmbeddingForward call, out string? reason) => TensorTypes.Same(
        out reason, ("table", call.Table), ("positionTable", call.PositionTable),
        ("segmentTable", call.SegmentTable), ("output", call.Output));

    public void Run(in EmbeddingForward call) => kernels[call.Table.DType].Launch(call);

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<EmbeddingForward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256;

        private readonly DeviceKernel<EmbeddingArgument<T>> kernel =
            new(queue, EmbeddingKernels.GroupPerRow<T, TStorage>);

        public void Launch(in EmbeddingForward call) => kernel.Launch(
            new(call.Rows, queue.Limits.Threads(Math.Min((call.Width + 3) / 4, MostThreads))),
            new()
            {
                Table = queue.View<T>(call.Table),
                Positions = queue.View<T>(call.PositionTable),
                Segments = queue.View<T>(call.SegmentTable),
                Output = queue.View<T>(call.Output),
                Ids = queue.View<int>(call.Ids),
                PositionIds = queue.View<int>(call.PositionIds),
                SegmentIds = queue.View<int>(call.SegmentIds),
                Length = call.SequenceLength,
                Width = call.Width,
                TableRows = (int)(call.Table.Length / call.Width),
                PositionRows = (int)(call.PositionTable.Length / call.Width),
                SegmentRows = (int)(call.SegmentTable.Length / call.Width),
                Aligned = TensorTypes.RowsAligned(call.Width, call.Table, call.PositionTable,
                    call.SegmentTable, call.Output),
                Scale = (float)call.EffectiveScale,
            });
    }
}

/// <summary>Launches <see cref="EmbeddingGradients"/>, for one table after the other.</summary>
/// <remarks>Rows with an id outside the table are left out.</remarks>
internal sealed class EmbeddingBackwardIlgpu(KernelQueue queue) : IKernel<EmbeddingBackward>
{
    private readonly ByType<ITyped<EmbeddingBackward>> kernels = new(
        new Typed<float, SingleStorage>(queue), new Typed<ushort, HalfStorage>(queue),
        new Typed<ushort, BrainStorage>(queue));

    public bool Supports(in EmbeddingBackward call, out string? reason) => TensorTypes.Same(
        out reason, ("outputGradient", call.OutputGradient),
        ("tableGradient", call.TableGradient),
        ("positionTableGradient", call.PositionTableGradient),
        ("segmentTableGradient", call.SegmentTableGradient));

    public void Run(in EmbeddingBackward call)
    {
        if (call.Rows > 0) kernels[call.OutputGradient.DType].Launch(call);
    }

    private sealed class Typed<T, TStorage>(KernelQueue queue) : ITyped<EmbeddingBackward>
        where T : unmanaged where TStorage : struct, IStorage<T>
    {
        private const int MostThreads = 256;

        private readonly DeviceKernel<EmbeddingLists> clear = new(queue, EmbeddingGradients.Clear);
        private readonly DeviceKernel<EmbeddingLists> count = new(queue, EmbeddingGradients.Count);
        private readonly DeviceKernel<EmbeddingLists> scan = new(queue, EmbeddingGradients.Scan);
        private readonly DeviceKernel<EmbeddingLists> place = new(queue, EmbeddingGradients.Place);
        private readonly DeviceKernel<EmbeddingLists> order = new(queue, EmbeddingGradients.Order);
        private readonly DeviceKernel<EmbeddingGatherArgument<T>> gather =
            new(queue, EmbeddingGradients.Gather<T, TStorage>);

        public void Launch(in EmbeddingBackward call)
        {
            if (call.TableGradient.IsPresent)
                Gather(call, call.Ids, call.TableGradient, (float)call.EffectiveScale);
            if (call.SegmentTableGradient.IsPresent)
                Gather(call, call.SegmentIds, call.SegmentTableGradient, 1);
            if (call.PositionTableGradient.IsAbsent) return;
            if (call.PositionIds.IsPresent)
                Gather(call, call.PositionIds, call.PositionTableGradient, 1);
            else
                Sum(call, call.PositionTableGradient, 1, call.SequenceLength, default);
        }

        private void Gather(
            in EmbeddingBackward call, BufferView ids, BufferView target, float scale)
        {
            int tableRows = (int)(target.Length / call.Width);
            long rows = call.Rows, integers = (3 * rows) + (2L * tableRows);
            using Scratch block = queue.Rent(integers * sizeof(int));
            nint next = block.Address;
            EmbeddingLists lists = new()
            {
                Ids = queue.View<int>(ids),
                Counts = queue.View<int>(Take(ref next, tableRows), tableRows),
                Starts = queue.View<int>(Take(ref next, tableRows), tableRows),
                Places = queue.View<int>(Take(ref next, rows), rows),
                Listed = queue.View<int>(Take(ref next, rows), rows),
                Ordered = queue.View<int>(Take(ref next, rows), rows),
                Rows = call.Rows,
                TableRows = tableRows,
            };
            int threads = queue.Limits.Threads(MostThreads);
            LaunchShape perRow = new((call.Rows + threads - 1) / threads, threads);
            clear.Launch(new((tableRows + threads - 1) / threads, threads), in lists);
            count.Launch(perRow, in lists);
            scan.Launch(new(1, threads, threads), in lists);
            place.Launch(perRow, in lists);
            order.Launch(perRow, in lists);
            Sum(call, target, scale, tableRows, lists);
        }

        private void Sum(in EmbeddingBackward call, BufferView target, float scale, int targets,
            in EmbeddingLists lists) => gather.Launch(
            new(targets, queue.Limits.Threads(Math.Min((call.Width + 3) / 4, MostThreads))),
            new()
            {
                Gradient = queue.View<T>(call.OutputGradient),
                Target = queue.View<T>(target),
                Counts = lists.Counts,
                Starts = lists.Starts,
                Ordered = lists.Ordered,
                Rows = call.Rows,
                Width = call.Width,
                Length = call.SequenceLength,
                Aligned = TensorTypes.RowsAligned(call.Width, call.OutputGradient, target),
                Scale = scale,
            });

        private static nint Take(ref nint next, long integers)
        {
            nint taken = next;
            next += (nint)(integers * sizeof(int));
            return taken;
        }
    }
}
