using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>The blocks of one product.</summary>
/// <remarks>
/// Work: a batch is one block of <see cref="MatMulPlan"/> and runs the whole depth, in blocks of
/// ascending order. An element's additions therefore have one order, whatever the threads, blocks
/// and tiles.
/// Memory: what a batch packs for itself lies in scratch of one block of the depth, which stays in
/// the core's second-level cache.
/// </remarks>
internal readonly unsafe struct MatMulWork<T, TEpilogue> : IBatchWork
    where T : struct, ISimdFloat<T>
    where TEpilogue : struct, IEpilogue
{
    private readonly MatMulProblem problem;
    private readonly PackedMatrix b;
    private readonly TEpilogue epilogue;
    private readonly MatMulPlan plan;

    /// <summary>Prepares the product.</summary>
    /// <param name="problem">The product; its B is read where b has no memory.</param>
    /// <param name="b">The packed right operand, or its layout alone.</param>
    /// <param name="epilogue">Applied to finished sums.</param>
    public MatMulWork(in MatMulProblem problem, in PackedMatrix b, in TEpilogue epilogue)
    {
        this.problem = problem;
        this.b = b;
        this.epilogue = epilogue;
        plan = new(problem.Rows, in b, problem.A.Transposed, packsRight: b.Data == null);
    }

    /// <summary>Blocks of the product.</summary>
    public int Batches => plan.Batches;

    public void Run(int batch)
    {
        int row = batch % plan.RowBlocks * plan.RowBlock;
        int panel = batch / plan.RowBlocks * plan.PanelBlock;
        int endPanel = Math.Min(b.Panels, panel + plan.PanelBlock);
        nint column = (nint)panel * b.PanelWidth;
        int rows = Math.Min(plan.RowBlock, problem.Rows - row);
        long left = LeftFloats;
        long right = b.Data == null
            ? (long)plan.PanelBlock * b.PanelWidth * b.DepthBlock : 0;
        nint width = (nint)plan.PanelBlock * b.PanelWidth;
        long sums = problem.NarrowsC ? width * plan.RowBlock : 0;
        if (left + right + sums == 0)
        {
            BlockTarget direct =
                new((nint)problem.CAt(row, column), problem.CStride, row, column, rows);
            Depths(in direct, panel, endPanel, null, null);
            return;
        }

        using HostBlock scratch = HostMemory.Rent((left + right + sums) * sizeof(float));
        float* own = scratch.Pointer<float>(), wide = own + left + right;
        BlockTarget target = sums == 0
            ? new((nint)problem.CAt(row, column), problem.CStride, row, column, rows)
            : new((nint)wide, width, row, column, rows);
        int columns = Math.Min(b.Columns, endPanel * b.PanelWidth) - (int)column;
        if (sums > 0 && problem.Accumulate) NarrowTarget.Load(in problem, in target, columns);
        Depths(
            in target, panel, endPanel, left == 0 ? null : own, right == 0 ? null : own + left);
        if (sums > 0) NarrowTarget.Store(in problem, in target, columns);
    }

    /// <summary>What a batch's left operand takes where it is packed.</summary>
    private long LeftFloats
    {
        get
        {
            long rows = plan.RowBlock + MatMulTile.Rows;
            long depth = b.DepthBlock + MatMulPack.TilePad;
            return !problem.A.Transposed ? 0 : rows * (problem.A.IsNarrow ? depth + 1 : depth);
        }
    }

    private void Depths(
        in BlockTarget target, int panel, int endPanel, float* packedLeft, float* packedRight)
    {
        for (int k = 0; k < b.Depth; k += b.DepthBlock)
        {
            int depth = Math.Min(b.DepthBlock, b.Depth - k);
            LeftOperand a = Left(in target, k, depth, packedLeft);
            bool add = k > 0 || problem.Accumulate;
            bool finish = k + depth >= b.Depth;
            if (packedRight == null)
            {
                MatMulBlock.Run<T, TEpilogue>(
                    in a, in b, k, panel, endPanel, in target, add, finish, in epilogue);
                continue;
            }

            int columns = Math.Min(b.Columns, endPanel * b.PanelWidth) - (int)target.Column;
            PackedMatrix own = new(depth, columns, b.PanelWidth, packedRight);
            MatrixView source = problem.B.From(k, target.Column);
            for (int p = 0; p < own.Panels; p++) MatMulPack.RightPanel(in source, in own, p);
            MatMulBlock.Run<T, TEpilogue>(
                in a, in own, 0, 0, own.Panels, in target, add, finish, in epilogue);
        }
    }

    private LeftOperand Left(in BlockTarget target, int k, int depth, float* packed)
    {
        MatrixView view = problem.A;
        if (packed == null)
        {
            return LeftOperand.RowMajor(view.Floats(target.Row, k), view.Stride);
        }

        float* copy = packed + (long)(plan.RowBlock + MatMulTile.Rows) *
            (b.DepthBlock + MatMulPack.TilePad);
        MatMulPack.LeftBlock(in view, target.Row, target.Rows, k, depth, packed, copy);
        return LeftOperand.Packed(packed, depth);
    }
}

/// <summary>A block of a result that is stored in 16 bits, while it is summed in binary32.
/// </summary>
internal static unsafe class NarrowTarget
{
    /// <summary>Widens what the block holds.</summary>
    public static void Load(in MatMulProblem problem, in BlockTarget block, int columns)
    {
        for (int r = 0; r < block.Rows; r++)
        {
            FloatStorage.Widen(problem.CType, problem.CAt(block.Row + r, block.Column),
                block.At(r, 0), columns);
        }
    }

    /// <summary>Rounds the block.</summary>
    public static void Store(in MatMulProblem problem, in BlockTarget block, int columns)
    {
        for (int r = 0; r < block.Rows; r++)
        {
            FloatStorage.Narrow(problem.CType, block.At(r, 0),
                problem.CAt(block.Row + r, block.Column), columns);
        }
    }
}
