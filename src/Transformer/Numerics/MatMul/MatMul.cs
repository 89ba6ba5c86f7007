using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>Operands, sizes and destination of one product c (+)= a·b.</summary>
internal readonly unsafe struct MatMulProblem
{
    /// <summary>op(A), [Rows, Depth].</summary>
    public required MatrixView A { get; init; }

    /// <summary>op(B), [Depth, Columns].</summary>
    public required MatrixView B { get; init; }

    /// <summary>[Rows, Columns], row-major.</summary>
    public required nint C { get; init; }

    /// <summary>Floats from one row of c to the next.</summary>
    public required nint CStride { get; init; }

    public required int Rows { get; init; }

    public required int Columns { get; init; }

    public required int Depth { get; init; }

    /// <summary>Whether the product is added to what c holds.</summary>
    public bool Accumulate { get; init; }
}

/// <summary>
/// Single-precision matrix product c (+)= op(a)·op(b) with an epilogue, on all threads.
/// </summary>
/// <remarks>
/// Shapes: a [rows, depth], b [depth, columns], each stored row-major, transposed or not.
/// Work: packing and product are cut into batches by the problem's size alone; a batch
/// owns a block of c and runs the whole depth, in blocks of at most 256 in ascending order. An
/// element's additions therefore have one order, whatever the threads, blocks and tiles.
/// Memory: b is packed once (depth·columns floats); a only where transposed, by each batch the
/// part that it needs.
/// Bytes: a tile step does 2·6·64 operations on 6 + 64 floats; a panel of b is read from the
/// second-level cache once per six rows, from memory once per block of rows. Few rows times a
/// transposed b (decoding) go to <see cref="MatVec"/>, which reads b in place.
/// Numerics: binary32 throughout, multiply-add fused where the machine can.
/// </remarks>
internal static unsafe class MatMul
{
    private const long PackBatchFloats = 1 << 16;
    private const long InlineWork = 1 << 17;
    private const int PackedLeftPanels = 8;

    /// <summary>Vectors in a row of a tile: what the machine's registers can hold.</summary>
    public static int PreferredPanelVectors =>
        Avx512F.VL.IsSupported || AdvSimd.Arm64.IsSupported ? 4 : 2;

    /// <summary>Runs the product with the panel width that suits the machine.</summary>
    public static void Run<T, TEpilogue>(in MatMulProblem problem, in TEpilogue epilogue)
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue =>
        Run<T, TEpilogue>(in problem, PreferredPanelVectors, in epilogue);

    /// <summary>Runs the product with the given vectors and panel width (2 or 4 vectors).</summary>
    public static void Run<T, TEpilogue>(
        in MatMulProblem problem, int panelVectors, in TEpilogue epilogue)
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue
    {
        if (problem.Rows == 0 || problem.Columns == 0) return;
        if (MatVec.Suits(in problem))
        {
            MatVec.Run<T, TEpilogue>(in problem, in epilogue);
            return;
        }

        PackedMatrix layout = new(problem.Depth, problem.Columns, panelVectors * T.Width);
        using HostBlock scratch = HostMemory.Rent(layout.Floats * sizeof(float));
        PackedMatrix b = layout.At(scratch.Pointer<float>());
        PackRight(problem.B, in b);
        MultiplyWork<T, TEpilogue> work = new(in problem, in b, in epilogue);
        CpuParallel.For(work.Batches, ref work);
    }

    /// <summary>Packs a right operand whole.</summary>
    public static void PackRight(in MatrixView source, in PackedMatrix packed)
    {
        PackWork work = new(in source, in packed);
        CpuParallel.For(work.Batches, ref work);
    }

    /// <summary>Rows of a block: at least eight blocks where there are rows enough, and not more
    /// than the second-level cache holds beside a panel.</summary>
    public static int RowBlock(int rows)
    {
        const int most = 96;
        const int least = 24;
        int eighth = ((rows + 7) / 8 + MatMulTile.Rows - 1) / MatMulTile.Rows * MatMulTile.Rows;
        return Math.Clamp(eighth, least, most);
    }

    private readonly struct PackWork : IBatchWork
    {
        private readonly MatrixView source;
        private readonly PackedMatrix packed;
        private readonly int panelsPerBatch;

        public PackWork(in MatrixView source, in PackedMatrix packed)
        {
            this.source = source;
            this.packed = packed;
            long panelFloats = Math.Max(1, (long)packed.Depth * packed.PanelWidth);
            panelsPerBatch = (int)Math.Max(1, PackBatchFloats / panelFloats);
        }

        public int Batches => (packed.Panels + panelsPerBatch - 1) / panelsPerBatch;

        public void Run(int batch)
        {
            int first = batch * panelsPerBatch;
            int end = Math.Min(packed.Panels, first + panelsPerBatch);
            for (int p = first; p < end; p++) MatMulPack.RightPanel(in source, in packed, p);
        }
    }

    private readonly struct MultiplyWork<T, TEpilogue> : IBatchWork
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue
    {
        private readonly MatMulProblem problem;
        private readonly PackedMatrix b;
        private readonly TEpilogue epilogue;
        private readonly int rowBlock;
        private readonly int panelBlock;
        private readonly int panelBlocks;

        public MultiplyWork(
            in MatMulProblem problem, in PackedMatrix b, in TEpilogue epilogue)
        {
            this.problem = problem;
            this.b = b;
            this.epilogue = epilogue;
            long work = (long)problem.Rows * problem.Columns * problem.Depth;
            bool inline = work <= InlineWork;
            rowBlock = inline ? problem.Rows : RowBlock(problem.Rows);
            long panelWork = (long)rowBlock * b.PanelWidth * problem.Depth;
            long batchWork = Math.Clamp(work / 16, 2 * InlineWork, 4L << 20);
            // A transposed left operand is packed once a batch: over so many columns that it pays.
            int least = problem.A.Transposed ? Math.Min(b.Panels, PackedLeftPanels) : 1;
            panelBlock = inline
                ? b.Panels : (int)Math.Clamp(batchWork / Math.Max(1, panelWork), least, b.Panels);
            panelBlocks = (b.Panels + panelBlock - 1) / panelBlock;
            Batches = panelBlocks * ((problem.Rows + rowBlock - 1) / rowBlock);
        }

        public int Batches { get; }

        public void Run(int batch)
        {
            int row = batch / panelBlocks * rowBlock;
            int panel = batch % panelBlocks * panelBlock;
            int endPanel = Math.Min(b.Panels, panel + panelBlock);
            nint column = (nint)panel * b.PanelWidth;
            BlockTarget target = new(
                problem.C + (row * problem.CStride + column) * sizeof(float), problem.CStride, row,
                column, Math.Min(rowBlock, problem.Rows - row));
            if (problem.A.Transposed)
            {
                long floats =
                    (long)(rowBlock + MatMulTile.Rows) * (b.DepthBlock + MatMulPack.TilePad);
                using HostBlock scratch = HostMemory.Rent(floats * sizeof(float));
                Depths(in target, panel, endPanel, scratch.Pointer<float>());
            }
            else
            {
                Depths(in target, panel, endPanel, null);
            }
        }

        private void Depths(in BlockTarget target, int panel, int endPanel, float* packed)
        {
            MatrixView view = problem.A;
            for (int k = 0; k < b.Depth; k += b.DepthBlock)
            {
                LeftOperand a;
                if (packed != null)
                {
                    int depth = Math.Min(b.DepthBlock, b.Depth - k);
                    MatMulPack.LeftBlock(in view, target.Row, target.Rows, k, depth, packed);
                    a = LeftOperand.Packed(packed, depth);
                }
                else
                {
                    a = LeftOperand.RowMajor(
                        view.Data + target.Row * view.Stride + k, view.Stride);
                }

                MatMulBlock.Run<T, TEpilogue>(
                    in a, in b, k, panel, endPanel, in target,
                    add: k > 0 || problem.Accumulate, finish: k + b.DepthBlock >= b.Depth,
                    in epilogue);
            }
        }
    }
}
