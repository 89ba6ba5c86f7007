using System.Runtime.CompilerServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>Buffers of a backward call, typed.</summary>
internal readonly unsafe struct AttentionGradients(in AttentionBackward call, float* deltas)
{
    public readonly float* Output = call.Output.Pointer<float>();
    public readonly float* OutputGradient = call.OutputGradient.Pointer<float>();
    public readonly float* LogSumExp = call.LogSumExp.Pointer<float>();
    public readonly float* Query = call.QueryGradient.Pointer<float>();
    public readonly float* Key = call.KeyGradient.Pointer<float>();
    public readonly float* Value = call.ValueGradient.Pointer<float>();
    public readonly float* Bias = call.BiasGradient.Pointer<float>();

    /// <summary>δ = rowsum(dO ⊙ O), [B, Hq, Sq].</summary>
    public readonly float* Deltas = deltas;
}

/// <summary>
/// Weights and score gradients of 48 queries × 64 keys, recomputed from the log-sum-exp:
/// P = exp(s − L), dS = P ⊙ (dO·vᵀ − δ), times 1 − tanh² under a soft cap.
/// </summary>
/// <remarks>
/// Scratch: q [48, D], dO [48, Dv], kᵀ [D, 64], vᵀ [Dv, 64], k [64, D], P and dS [48, 80]: rows of
/// 80 leave room to read them in columns of six past the last key; what lies there is 0.
/// Numerics: hidden weights and gradients are 0 by selection; queries that see no key are packed as
/// zeros, so that nothing they hold reaches a sum.
/// </remarks>
internal unsafe ref struct AttentionGradientTile<T> where T : struct, ISimdFloat<T>
{
    /// <summary>Keys of a tile.</summary>
    public const int KeyTile = 64;

    /// <summary>Queries of a tile.</summary>
    public const int QueryTile = 8 * Rows;

    /// <summary>Floats from one row of weights to the next.</summary>
    public const int Stride = KeyTile + 16;

    private const int Rows = AttentionMultiply.Rows;

    private readonly AttentionProblem problem;
    private readonly AttentionGradients gradients;
    private readonly float* keysTransposed;
    private readonly float* valuesTransposed;
    private readonly float* mask;
    private readonly float* slope;
    private readonly bool usesSlope;
    private int sequence;
    private int tile;
    private int tileKeys;

    /// <summary>Lays the tile out in scratch.</summary>
    /// <param name="problem">The call.</param>
    /// <param name="gradients">Its gradients.</param>
    /// <param name="carver">Gives <see cref="ScratchBytes"/> bytes.</param>
    /// <param name="beforeSoftCap">Whether dS is that of the scores before a soft cap, which dQ
    /// and dK need, or of those after it, which the bias needs.</param>
    public AttentionGradientTile(
        in AttentionProblem problem, in AttentionGradients gradients, ref ScratchCarver carver,
        bool beforeSoftCap = true)
    {
        this.problem = problem;
        usesSlope = beforeSoftCap && problem.SoftCap > 0;
        this.gradients = gradients;
        Width = AttentionPacking.Pad<T>(problem.Sizes.HeadDimension);
        ValueWidth = AttentionPacking.Pad<T>(problem.Sizes.ValueDimension);
        Queries = carver.Take((long)QueryTile * Width);
        OutputGradients = carver.Take((long)QueryTile * ValueWidth);
        Keys = carver.Take((long)KeyTile * Width);
        keysTransposed = carver.Take((long)KeyTile * problem.Sizes.HeadDimension);
        valuesTransposed = carver.Take((long)KeyTile * problem.Sizes.ValueDimension);
        Weights = carver.Take(QueryTile * Stride);
        ScoreGradients = carver.Take(QueryTile * Stride);
        mask = carver.Take(KeyTile);
        slope = carver.Take(KeyTile);
        Spans = (int*)carver.Take(QueryTile / Rows * 2);
    }

    /// <summary>Bytes of scratch that one tile takes.</summary>
    public static long ScratchBytes(in AttentionSizes s)
    {
        long width = AttentionPacking.Pad<T>(s.HeadDimension);
        long valueWidth = AttentionPacking.Pad<T>(s.ValueDimension);
        return ScratchCarver.Bytes(
            ((QueryTile + (2L * KeyTile)) * (width + valueWidth)) +
            (2L * QueryTile * Stride) + (2 * KeyTile)) + (10 * 64);
    }

    /// <summary>Floats of a packed row of q and k.</summary>
    public int Width { get; }

    /// <summary>Floats of a packed row of v and dO.</summary>
    public int ValueWidth { get; }

    /// <summary>scale·q, [48, Width].</summary>
    public float* Queries { get; }

    /// <summary>dO, [48, ValueWidth].</summary>
    public float* OutputGradients { get; }

    /// <summary>k, [64, Width].</summary>
    public float* Keys { get; }

    /// <summary>P, [48, Stride].</summary>
    public float* Weights { get; }

    /// <summary>dS, [48, Stride].</summary>
    public float* ScoreGradients { get; }

    /// <summary>Two a block of six queries: the columns [first, end) that any of them sees.
    /// </summary>
    public int* Spans { get; }

    /// <summary>True when k of the tile holds neither NaN nor ∞.</summary>
    public bool KeysFinite { get; private set; }

    /// <summary>Blocks of six queries in the query tile.</summary>
    public int Blocks { get; private set; }

    /// <summary>Packs keys [tile, tile + keys) of a key/value head.</summary>
    public void LoadKeys(int batch, int keyHead, int firstKey, int keys)
    {
        sequence = batch;
        tile = firstKey;
        tileKeys = keys;
        AttentionSizes s = problem.Sizes;
        float* key = problem.KeyRow(batch, keyHead, firstKey);
        long keyRow = problem.KeyStrides.Sequence;
        AttentionPacking.Transposed<T>(
            key, keyRow, keys, s.HeadDimension, keysTransposed, KeyTile);
        KeysFinite = AttentionPacking.Rows<T>(key, keyRow, keys, s.HeadDimension, 1, Keys);
        AttentionPacking.Transposed<T>(problem.ValueRow(batch, keyHead, firstKey),
            problem.ValueStrides.Sequence, keys, s.ValueDimension, valuesTransposed, KeyTile);
    }

    /// <summary>Computes P and dS of queries [query, query + rows) of a query head.</summary>
    /// <returns>False when they see none of the tile's keys; nothing is computed then.</returns>
    public bool LoadQueries(int head, int query, int rows)
    {
        problem.VisibleKeys(sequence, query, out int first, out _);
        problem.VisibleKeys(sequence, query + rows - 1, out _, out int end);
        first = Math.Max(first, tile);
        end = Math.Min(end, tile + tileKeys);
        if (first >= end ||
            !problem.MaskShowsAny(sequence, head, query, rows, first, end))
        {
            return false;
        }

        Blocks = (rows + Rows - 1) / Rows;
        PackQueries(head, query, rows);
        for (int block = 0; block < Blocks; block++)
        {
            int at = block * Rows;
            Compute(block, head, query + at, Math.Min(Rows, rows - at));
        }

        return true;
    }

    private readonly void PackQueries(int head, int query, int rows)
    {
        AttentionSizes s = problem.Sizes;
        float* sums = gradients.LogSumExp + problem.RowIndex(sequence, head, query);
        AttentionPacking.Rows<T>(problem.QueryRow(sequence, head, query),
            problem.QueryStrides.Sequence, rows, s.HeadDimension, problem.Scale, Queries);
        AttentionPacking.Rows<T>(
            gradients.OutputGradient + problem.OutputOffset(sequence, head, query),
            problem.OutputStrides.Sequence, rows, s.ValueDimension, 1, OutputGradients);
        for (int row = 0; row < Blocks * Rows; row++)
        {
            if (row < rows && !float.IsNegativeInfinity(sums[row])) continue;
            new Span<float>(Queries + (row * Width), Width).Clear();
            new Span<float>(OutputGradients + (row * ValueWidth), ValueWidth).Clear();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void Compute(int block, int head, int query, int rows)
    {
        problem.VisibleKeys(sequence, query, out int first, out int endOfAll);
        problem.VisibleKeys(sequence, query + rows - 1, out int firstOfAll, out int end);
        first = Math.Max(0, first - tile);
        end = Math.Min(tileKeys, end - tile);
        if (first >= end) first = end = 0;
        Spans[block * 2] = first;
        Spans[(block * 2) + 1] = end;
        int from = first / T.Width * T.Width;
        int to = AttentionPacking.Pad<T>(end);
        float* weights = Weights + (block * Rows * Stride);
        float* scoreGradients = ScoreGradients + (block * Rows * Stride);
        int vectors = (to - from) / T.Width;
        AttentionMultiply.Run<T>(Queries + (block * Rows * Width), Width, 1,
            keysTransposed + from, KeyTile, weights + from, Stride,
            problem.Sizes.HeadDimension, vectors, null);
        AttentionMultiply.Run<T>(OutputGradients + (block * Rows * ValueWidth), ValueWidth, 1,
            valuesTransposed + from, KeyTile, scoreGradients + from, Stride,
            problem.Sizes.ValueDimension, vectors, null);
        // Read in columns of six: what lies between the last key and the next six must be 0.
        int columns = Math.Max(to, (tileKeys + Rows - 1) / Rows * Rows);
        bool shape = problem.ShapesScores || firstOfAll - tile > from || endOfAll - tile < to ||
            tileKeys < to;
        for (int row = 0; row < Rows; row++)
        {
            float* p = weights + (row * Stride);
            float* ds = scoreGradients + (row * Stride);
            new Span<float>(p, from).Clear();
            new Span<float>(ds, from).Clear();
            new Span<float>(p + to, columns - to).Clear();
            new Span<float>(ds + to, columns - to).Clear();
            long index = problem.RowIndex(sequence, head, query + row);
            if (row >= rows || float.IsNegativeInfinity(gradients.LogSumExp[index]))
            {
                new Span<float>(p, columns).Clear();
                new Span<float>(ds, columns).Clear();
                continue;
            }

            if (shape)
            {
                AttentionRow.Of(problem, sequence, head, query + row, tile, tileKeys)
                    .Shape<T>(problem, p, from, to, mask, slope);
            }

            Differentiate(p, ds, from, to, gradients.LogSumExp[index], gradients.Deltas[index],
                usesSlope ? slope : null);
        }
    }

    /// <summary>Scores to P and dP to dS, in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Differentiate(
        float* p, float* ds, int from, int to, float logSumExp, float delta, float* slope)
    {
        T shift = T.Broadcast(logSumExp), center = T.Broadcast(delta);
        T hidden = T.Broadcast(float.NegativeInfinity);
        for (int j = from; j < to; j += T.Width)
        {
            T s = T.Load(p + j);
            T weight = SimdMath.ExpNonPositive(s - shift);
            T gradient = weight * (T.Load(ds + j) - center);
            if (slope != null) gradient *= T.Load(slope + j);
            T.Store(weight, p + j);
            T.Store(T.SelectEqual(s, hidden, T.Zero, gradient), ds + j);
        }
    }
}
