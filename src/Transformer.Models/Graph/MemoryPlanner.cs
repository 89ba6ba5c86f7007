using Transformer.Tensors;

namespace Transformer.Models.Graph;

/// <summary>
/// Assigns arena offsets: lifetimes from the node list, in-place reuse where a kernel allows it,
/// then best fit, largest first.
/// </summary>
/// <remarks>Largest first is the greedy-by-size rule of Pisarchyk, Lee: "Efficient Memory
/// Management for Deep Neural Net Inference", 2020.</remarks>
internal sealed class MemoryPlanner
{
    private readonly IReadOnlyList<GraphNode> nodes;
    private readonly IReadOnlyCollection<GraphTensor> outputs;
    private readonly Dictionary<GraphTensor, Lifetime> lifetimes = [];
    private readonly List<Lifetime> order = [];

    private MemoryPlanner(
        IReadOnlyList<GraphNode> nodes, IReadOnlyCollection<GraphTensor> outputs)
    {
        this.nodes = nodes;
        this.outputs = outputs;
    }

    /// <summary>Plans the memory of a graph.</summary>
    /// <param name="nodes">In order of execution.</param>
    /// <param name="outputs">Values that must survive to the end.</param>
    /// <returns>The plan, and the offset of each value that has memory in the arena.</returns>
    public static (MemoryPlan Plan, Dictionary<GraphTensor, long> Offsets) Plan(
        IReadOnlyList<GraphNode> nodes, IReadOnlyCollection<GraphTensor> outputs)
    {
        MemoryPlanner planner = new(nodes, outputs);
        planner.FindLifetimes();
        List<Slot> slots = planner.ShareInPlace();
        long planned = Place(slots);
        PlannedBuffer[] buffers = [.. planner.order.Select(l => new PlannedBuffer(
            l.Tensor.Name, l.Slot!.Offset, l.Tensor.Bytes, l.First, l.Last))];
        long naive = planner.order.Sum(l => Align(l.Tensor.Bytes));
        return (new(buffers, planned, naive),
            planner.order.ToDictionary(l => l.Tensor, l => l.Slot!.Offset));
    }

    private void FindLifetimes()
    {
        HashSet<GraphTensor> read = [.. outputs];
        foreach (GraphNode node in nodes)
        {
            foreach (GraphTensor? input in node.Inputs)
            {
                if (input is not null) read.Add(input);
            }
        }

        for (int step = 0; step < nodes.Count; step++)
        {
            GraphNode node = nodes[step];
            foreach (GraphTensor? input in node.Inputs)
            {
                if (input is not null && lifetimes.TryGetValue(input, out Lifetime? lifetime))
                {
                    lifetime.Last = step;
                }
            }

            for (int output = 0; output < node.Outputs.Length; output++)
            {
                GraphTensor tensor = node.Outputs[output];
                bool unused = node.IsOptional(output) && !read.Contains(tensor);
                if (unused || tensor.Source != TensorSource.Node) continue;
                Lifetime lifetime = new(tensor, step);
                lifetimes.Add(tensor, lifetime);
                order.Add(lifetime);
            }
        }

        foreach (GraphTensor output in outputs)
        {
            if (lifetimes.TryGetValue(output, out Lifetime? lifetime)) lifetime.Last = nodes.Count;
        }
    }

    private List<Slot> ShareInPlace()
    {
        List<Slot> slots = [];
        HashSet<Slot> taken = [];
        for (int step = 0; step < nodes.Count; step++)
        {
            GraphNode node = nodes[step];
            taken.Clear();
            for (int output = 0; output < node.Outputs.Length; output++)
            {
                if (!lifetimes.TryGetValue(node.Outputs[output], out Lifetime? lifetime)) continue;
                lifetime.Slot = Inherit(node, output, step, taken);
                if (lifetime.Slot is null)
                {
                    lifetime.Slot = new Slot(Align(lifetime.Tensor.Bytes), lifetime.First);
                    slots.Add(lifetime.Slot);
                }

                lifetime.Slot.Last = Math.Max(lifetime.Slot.Last, lifetime.Last);
            }
        }

        return slots;
    }

    private Slot? Inherit(GraphNode node, int output, int step, HashSet<Slot> taken)
    {
        long bytes = node.Outputs[output].Bytes;
        for (int input = 0; input < node.Inputs.Length; input++)
        {
            if (!node.MayShare(output, input) || node.Inputs[input] is not { } tensor) continue;
            if (!lifetimes.TryGetValue(tensor, out Lifetime? dying) || dying.Last != step) continue;
            if (tensor.Bytes != bytes || taken.Contains(dying.Slot!)) continue;
            if (ReadElsewhere(node, output, tensor)) continue;
            taken.Add(dying.Slot!);
            return dying.Slot;
        }

        return null;
    }

    /// <summary>Whether the node also reads the tensor in a slot that must not be written over.
    /// </summary>
    private static bool ReadElsewhere(GraphNode node, int output, GraphTensor tensor)
    {
        for (int input = 0; input < node.Inputs.Length; input++)
        {
            if (node.Inputs[input] == tensor && !node.MayShare(output, input)) return true;
        }

        return false;
    }

    private static long Place(List<Slot> slots)
    {
        List<Slot> placed = [];
        long end = 0;
        foreach (Slot slot in slots.OrderByDescending(s => s.Bytes).ThenBy(s => s.First))
        {
            slot.Offset = BestGap(slot, placed);
            end = Math.Max(end, slot.Offset + slot.Bytes);
            int index = placed.FindIndex(p => p.Offset > slot.Offset);
            placed.Insert(index < 0 ? placed.Count : index, slot);
        }

        return end;
    }

    /// <summary>The smallest gap that fits between the slots alive at the same time.</summary>
    private static long BestGap(Slot slot, List<Slot> placedByOffset)
    {
        long best = -1;
        long bestSize = long.MaxValue;
        long free = 0;
        foreach (Slot other in placedByOffset)
        {
            if (other.Last < slot.First || other.First > slot.Last) continue;
            long gap = other.Offset - free;
            if (gap >= slot.Bytes && gap < bestSize)
            {
                best = free;
                bestSize = gap;
            }

            free = Math.Max(free, other.Offset + other.Bytes);
        }

        return best >= 0 ? best : free;
    }

    private static long Align(long bytes) =>
        Math.Max(1, (bytes + HostMemory.Alignment - 1) / HostMemory.Alignment) *
        HostMemory.Alignment;

    private sealed class Lifetime(GraphTensor tensor, int first)
    {
        public GraphTensor Tensor { get; } = tensor;

        public int First { get; } = first;

        public int Last { get; set; } = first;

        public Slot? Slot { get; set; }
    }

    private sealed class Slot(long bytes, int first)
    {
        public long Bytes => bytes;

        public int First => first;

        public int Last { get; set; }

        public long Offset { get; set; }
    }
}
