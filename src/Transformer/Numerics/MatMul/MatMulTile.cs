using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Transformer.Numerics;

/// <summary>
/// Six rows of the left operand: element (r, k) lies at Data[r·LaneStride + k·DepthStride].
/// Rows from <c>Count</c> on read the last one; their results are dropped.
/// </summary>
internal readonly unsafe struct TileRows(
    float* data, nint laneStride, nint depthStride, int count)
{
    /// <summary>Floats from one step of the depth to the next.</summary>
    public nint DepthStride => depthStride;

    /// <summary>First element of a row.</summary>
    public float* Row(int row) => data + Math.Min(row, count - 1) * laneStride;
}

/// <summary>
/// The innermost loops of the matrix product: a tile of 6 rows by up to 4 vectors is held in
/// registers while the depth runs.
/// </summary>
/// <remarks>
/// Formula: tile[r, j] = Σₖ a(r, k)·b[k, j].
/// Shapes: b is a packed panel [depth, panelWidth]; tile is [6, panelWidth].
/// Registers: 6×4 sums, 4 vectors of b and 1 broadcast are 29 of 32; 6×2 are 15 of 16.
/// Bytes: a step of 6×4 loads 10 operands for 24 multiply-adds.
/// Numerics: k ascends in every variant, so every tile width yields the same bits.
/// </remarks>
internal static unsafe class MatMulTile
{
    /// <summary>Rows of a tile.</summary>
    public const int Rows = 6;

    /// <summary>The most vectors in a row of a tile.</summary>
    public const int MaxVectors = 4;

    /// <summary>Floats of a cache line.</summary>
    public const int LineFloats = 16;

    /// <summary>Computes a tile of which <paramref name="vectors"/> vectors a row are needed,
    /// and meanwhile asks for one cache line a step from <paramref name="ahead"/> on.</summary>
    public static void Compute<T>(
        in TileRows a, float* b, nint panelWidth, nint depth, int vectors, float* ahead,
        float* tile)
        where T : struct, ISimdFloat<T>
    {
        if (vectors == 1) Tile6x1<T>(in a, b, panelWidth, depth, ahead, tile);
        else if (vectors == 2) Tile6x2<T>(in a, b, panelWidth, depth, ahead, tile);
        else Tile6x4<T>(in a, b, panelWidth, depth, ahead, tile);
    }

    /// <summary>6 rows × 4 vectors: machines with 32 vector registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x4<T>(
        in TileRows a, float* b, nint panelWidth, nint depth, float* ahead, float* tile)
        where T : struct, ISimdFloat<T>
    {
        float* a0 = a.Row(0), a1 = a.Row(1), a2 = a.Row(2);
        float* a3 = a.Row(3), a4 = a.Row(4), a5 = a.Row(5);
        nint depthStride = a.DepthStride;
        T c00 = T.Zero, c01 = T.Zero, c02 = T.Zero, c03 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero, c12 = T.Zero, c13 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero, c22 = T.Zero, c23 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero, c32 = T.Zero, c33 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero, c42 = T.Zero, c43 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero, c52 = T.Zero, c53 = T.Zero;
        nint i = 0;
        for (float* end = b + depth * panelWidth; b != end; b += panelWidth)
        {
            Prefetch(ahead);
            ahead += LineFloats;
            T b0 = T.Load(b);
            T b1 = T.Load(b + T.Width);
            T b2 = T.Load(b + 2 * T.Width);
            T b3 = T.Load(b + 3 * T.Width);
            T x0 = T.Broadcast(a0[i]);
            c00 = T.MultiplyAdd(x0, b0, c00);
            c01 = T.MultiplyAdd(x0, b1, c01);
            c02 = T.MultiplyAdd(x0, b2, c02);
            c03 = T.MultiplyAdd(x0, b3, c03);
            T x1 = T.Broadcast(a1[i]);
            c10 = T.MultiplyAdd(x1, b0, c10);
            c11 = T.MultiplyAdd(x1, b1, c11);
            c12 = T.MultiplyAdd(x1, b2, c12);
            c13 = T.MultiplyAdd(x1, b3, c13);
            T x2 = T.Broadcast(a2[i]);
            c20 = T.MultiplyAdd(x2, b0, c20);
            c21 = T.MultiplyAdd(x2, b1, c21);
            c22 = T.MultiplyAdd(x2, b2, c22);
            c23 = T.MultiplyAdd(x2, b3, c23);
            T x3 = T.Broadcast(a3[i]);
            c30 = T.MultiplyAdd(x3, b0, c30);
            c31 = T.MultiplyAdd(x3, b1, c31);
            c32 = T.MultiplyAdd(x3, b2, c32);
            c33 = T.MultiplyAdd(x3, b3, c33);
            T x4 = T.Broadcast(a4[i]);
            c40 = T.MultiplyAdd(x4, b0, c40);
            c41 = T.MultiplyAdd(x4, b1, c41);
            c42 = T.MultiplyAdd(x4, b2, c42);
            c43 = T.MultiplyAdd(x4, b3, c43);
            T x5 = T.Broadcast(a5[i]);
            c50 = T.MultiplyAdd(x5, b0, c50);
            c51 = T.MultiplyAdd(x5, b1, c51);
            c52 = T.MultiplyAdd(x5, b2, c52);
            c53 = T.MultiplyAdd(x5, b3, c53);
            i += depthStride;
        }

        Store(tile, c00, c01, c02, c03);
        Store(tile + panelWidth, c10, c11, c12, c13);
        Store(tile + 2 * panelWidth, c20, c21, c22, c23);
        Store(tile + 3 * panelWidth, c30, c31, c32, c33);
        Store(tile + 4 * panelWidth, c40, c41, c42, c43);
        Store(tile + 5 * panelWidth, c50, c51, c52, c53);
    }

    /// <summary>6 rows × 2 vectors: machines with 16 registers, and the last columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x2<T>(
        in TileRows a, float* b, nint panelWidth, nint depth, float* ahead, float* tile)
        where T : struct, ISimdFloat<T>
    {
        float* a0 = a.Row(0), a1 = a.Row(1), a2 = a.Row(2);
        float* a3 = a.Row(3), a4 = a.Row(4), a5 = a.Row(5);
        nint depthStride = a.DepthStride;
        T c00 = T.Zero, c01 = T.Zero;
        T c10 = T.Zero, c11 = T.Zero;
        T c20 = T.Zero, c21 = T.Zero;
        T c30 = T.Zero, c31 = T.Zero;
        T c40 = T.Zero, c41 = T.Zero;
        T c50 = T.Zero, c51 = T.Zero;
        nint i = 0;
        for (float* end = b + depth * panelWidth; b != end; b += panelWidth)
        {
            Prefetch(ahead);
            ahead += LineFloats;
            T b0 = T.Load(b);
            T b1 = T.Load(b + T.Width);
            T x0 = T.Broadcast(a0[i]);
            c00 = T.MultiplyAdd(x0, b0, c00);
            c01 = T.MultiplyAdd(x0, b1, c01);
            T x1 = T.Broadcast(a1[i]);
            c10 = T.MultiplyAdd(x1, b0, c10);
            c11 = T.MultiplyAdd(x1, b1, c11);
            T x2 = T.Broadcast(a2[i]);
            c20 = T.MultiplyAdd(x2, b0, c20);
            c21 = T.MultiplyAdd(x2, b1, c21);
            T x3 = T.Broadcast(a3[i]);
            c30 = T.MultiplyAdd(x3, b0, c30);
            c31 = T.MultiplyAdd(x3, b1, c31);
            T x4 = T.Broadcast(a4[i]);
            c40 = T.MultiplyAdd(x4, b0, c40);
            c41 = T.MultiplyAdd(x4, b1, c41);
            T x5 = T.Broadcast(a5[i]);
            c50 = T.MultiplyAdd(x5, b0, c50);
            c51 = T.MultiplyAdd(x5, b1, c51);
            i += depthStride;
        }

        Store(tile, c00, c01);
        Store(tile + panelWidth, c10, c11);
        Store(tile + 2 * panelWidth, c20, c21);
        Store(tile + 3 * panelWidth, c30, c31);
        Store(tile + 4 * panelWidth, c40, c41);
        Store(tile + 5 * panelWidth, c50, c51);
    }

    /// <summary>6 rows × 1 vector: the last columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Tile6x1<T>(
        in TileRows a, float* b, nint panelWidth, nint depth, float* ahead, float* tile)
        where T : struct, ISimdFloat<T>
    {
        float* a0 = a.Row(0), a1 = a.Row(1), a2 = a.Row(2);
        float* a3 = a.Row(3), a4 = a.Row(4), a5 = a.Row(5);
        nint depthStride = a.DepthStride;
        T c00 = T.Zero;
        T c10 = T.Zero;
        T c20 = T.Zero;
        T c30 = T.Zero;
        T c40 = T.Zero;
        T c50 = T.Zero;
        nint i = 0;
        for (float* end = b + depth * panelWidth; b != end; b += panelWidth)
        {
            Prefetch(ahead);
            ahead += LineFloats;
            T b0 = T.Load(b);
            T x0 = T.Broadcast(a0[i]);
            c00 = T.MultiplyAdd(x0, b0, c00);
            T x1 = T.Broadcast(a1[i]);
            c10 = T.MultiplyAdd(x1, b0, c10);
            T x2 = T.Broadcast(a2[i]);
            c20 = T.MultiplyAdd(x2, b0, c20);
            T x3 = T.Broadcast(a3[i]);
            c30 = T.MultiplyAdd(x3, b0, c30);
            T x4 = T.Broadcast(a4[i]);
            c40 = T.MultiplyAdd(x4, b0, c40);
            T x5 = T.Broadcast(a5[i]);
            c50 = T.MultiplyAdd(x5, b0, c50);
            i += depthStride;
        }

        Store(tile, c00);
        Store(tile + panelWidth, c10);
        Store(tile + 2 * panelWidth, c20);
        Store(tile + 3 * panelWidth, c30);
        Store(tile + 4 * panelWidth, c40);
        Store(tile + 5 * panelWidth, c50);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(float* row, T v0, T v1, T v2, T v3)
        where T : struct, ISimdFloat<T>
    {
        T.Store(v0, row);
        T.Store(v1, row + T.Width);
        T.Store(v2, row + 2 * T.Width);
        T.Store(v3, row + 3 * T.Width);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(float* row, T v0, T v1)
        where T : struct, ISimdFloat<T>
    {
        T.Store(v0, row);
        T.Store(v1, row + T.Width);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store<T>(float* row, T v0)
        where T : struct, ISimdFloat<T>
    {
        T.Store(v0, row);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* line)
    {
        if (Sse.IsSupported) Sse.Prefetch1(line);
    }
}
