using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using Transformer.Backends;
using Transformer.Tensors;

namespace Transformer.Numerics;

/// <summary>Operands, sizes and destination of one product c (+)= a·b.</summary>
internal readonly unsafe record struct MatMulProblem
{
    /// <summary>op(A), [Rows, Depth].</summary>
    public required MatrixView A { get; init; }

    /// <summary>op(B), [Depth, Columns].</summary>
    public required MatrixView B { get; init; }

    /// <summary>[Rows, Columns], row-major.</summary>
    public required nint C { get; init; }

    /// <summary>How c is stored: Float32, Float16 or BFloat16.</summary>
    public DType CType { get; init; }

    /// <summary>Elements from one row of c to the next.</summary>
    public required nint CStride { get; init; }

    public required int Rows { get; init; }

    public required int Columns { get; init; }

    public required int Depth { get; init; }

    /// <summary>Whether the product is added to what c holds.</summary>
    public bool Accumulate { get; init; }

    /// <summary>Whether results are rounded on the way from the tiles.</summary>
    public bool NarrowsC => CType != DType.Float32;

    /// <summary>Address of an element of c.</summary>
    public void* CAt(nint row, nint column) =>
        (byte*)C + (row * CStride + column) * CType.Size();
}

/// <summary>
/// Single-precision matrix product c (+)= op(a)·op(b) with an epilogue, on all threads.
/// </summary>
/// <remarks>
/// Shapes: a [rows, depth], b [depth, columns], each stored row-major, transposed or not.
/// Work: three ways, by the sizes alone. Few rows times a transposed b (decoding) go to
/// <see cref="MatVec"/>, which reads b in place. Up to 264 rows one batch owns all rows of its
/// columns: it packs the part of b that nobody else needs, so that packed b never leaves the
/// second-level cache. Beyond, b is packed once, and <see cref="MatMulPlan"/> cuts c.
/// Memory: b packed (depth·columns floats) in the third case; a packed only where transposed, by
/// each batch the part that it needs. Where a is stored in 16 bits, a copy in binary32; where c is,
/// a batch's part of it.
/// Bytes: a tile step does 2·6·64 operations on 6 + 64 floats; a panel of b is read from the
/// second-level cache once per six rows, from memory once per block of rows.
/// Numerics: binary32 throughout, multiply-add fused where the machine can; numbers of 16 bits are
/// widened by packing and rounded once, after the epilogue.
/// </remarks>
internal static unsafe class MatMul
{
    private const long PackBatchFloats = 1 << 16;
    private const int MostRowsOneBlock = 264;

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
        if (MatVec.Suits(in problem, panelVectors))
        {
            MatVec.Run<T, TEpilogue>(in problem, panelVectors, in epilogue);
            return;
        }

        PackedMatrix layout = new(problem.Depth, problem.Columns, panelVectors * T.Width);
        if (problem.Rows <= MostRowsOneBlock)
        {
            Multiply<T, TEpilogue>(in problem, in layout, in epilogue);
            return;
        }

        using HostBlock scratch = HostMemory.Rent(layout.Floats * sizeof(float));
        PackedMatrix b = layout.At(scratch.Pointer<float>());
        PackRight(problem.B, in b);
        Multiply<T, TEpilogue>(in problem, in b, in epilogue);
    }

    /// <summary>Runs the product with a right operand that is packed, or that each batch packs
    /// where the layout has no memory.</summary>
    public static void Multiply<T, TEpilogue>(
        in MatMulProblem problem, in PackedMatrix b, in TEpilogue epilogue)
        where T : struct, ISimdFloat<T>
        where TEpilogue : struct, IEpilogue
    {
        using HostBlock copy = WideLeft.Rent(in problem);
        MatMulProblem single = WideLeft.Fill(in problem, copy.Pointer<float>());
        MatMulWork<T, TEpilogue> work = new(in single, in b, in epilogue);
        CpuParallel.For(work.Batches, ref work);
    }

    /// <summary>Packs a right operand whole.</summary>
    public static void PackRight(in MatrixView source, in PackedMatrix packed)
    {
        PackWork work = new(in source, in packed);
        CpuParallel.For(work.Batches, ref work);
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
}
