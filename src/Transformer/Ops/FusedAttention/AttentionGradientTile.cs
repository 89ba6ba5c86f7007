using System.Runtime.CompilerServices;
using Transformer.Numerics;

namespace Transformer.Ops;

/// <summary>Buffers of a backward call.</summary>
internal readonly unsafe struct AttentionGradients(in AttentionBackward call, float* deltas)
{
    public readonly AttentionOperand Output = new(call.Output,
        call.Inputs.EffectiveOutputStrides, call.Inputs.Sizes.ValueDimension);

    public readonly AttentionOperand OutputGradient = new(call.OutputGradient,
        call.Inputs.EffectiveOutputStrides, call.Inputs.Sizes.ValueDimension);

    public readonly AttentionOperand Query = new(call.QueryGradient,
        call.Inputs.EffectiveQueryStrides, call.Inputs.Sizes.HeadDimension);

    public readonly AttentionOperand Key = new(call.KeyGradient,
        call.Inputs.EffectiveKeyStrides, call.Inputs.Sizes.HeadDimension);

    public readonly AttentionOperand Value = new(call.ValueGradient,
        call.Inputs.EffectiveValueStrides, call.Inputs.Sizes.ValueDimension);

    public readonly float* LogSumExp = call.LogSumExp.Pointer<float>();

    /// <summary>δ = rowsum(dO ⊙ O), indexed as the log-sum-exps.</summary>
    public readonly float* Deltas = deltas;
}

/// <summary>
/// Weights and score gradients of 48 queries × 64 keys, recomputed from the log-sum-exp:
/// P = exp(s − L), dS = P ⊙ (dO·vᵀ − δ), times the derivative of soft cap and modifier; dropout
/// scales P and dO·vᵀ.
/// </summary>
/// <remarks>
/// Memory, in floats: q [48, D], dO [48, Dv], kᵀ [D, 64], vᵀ [Dv, 64], k [64, D], P and dS
/// [48, 80]: rows of 80 leave room to read them in columns of six past the last key; what lies
/// there is 0.
/// One row [64] each of scores, slopes (derivatives of soft cap and modifier) and dropout's
/// factors; spans [8, 2]; k or v of pages and 16-bit operands [64, max(D, Dv)]; q or dO of 16-bit
/// ones [48, max(D, Dv)].
/// Numerics: hidden weights and gradients are 0 by selection; queries that see no key are packed as
/// zeros, so that nothing they hold reaches a sum.
/// </remarks>
internal unsafe ref struct AttentionGradientTile<T, TScore>
    where T : struct, ISimdFloat<T> where TScore : struct, IDifferentiableScoreModifier
{
    /// <summary>Keys of a tile.</summary>
    public const int KeyTile = AttentionTile.Keys;

    /// <summary>Queries of a tile.</summary>
    public const int QueryTile = 8 * Rows;

    /// <summary>Floats from one row of weights to the next.</summary>
    public const int Stride = KeyTile + 16;

    private const int Rows = AttentionMultiply.Rows;

    private readonly AttentionProblem problem;
    private readonly TScore score;
    private readonly AttentionGradients gradients;
    private readonly float* keysTransposed;
    private readonly float* valuesTransposed;
    private readonly float* rowScratch;
    private readonly float* slope;
    private readonly float* keep;
    private readonly float* keyScratch;
    private readonly float* queryScratch;
    private readonly bool usesSlope;
    private int sequence;
    private int keyHead;
    private int tile;
    private int tileKeys;
    private bool loaded;

    /// <summary>Lays the tile out in scratch.</summary>
    /// <param name="problem">The call.</param>
    /// <param name="score">Its score modifier.</param>
    /// <param name="gradients">Its gradients.</param>
    /// <param name="carver">Gives <see cref="ScratchBytes"/> bytes.</param>
    /// <param name="beforeSoftCap">Whether dS is that of the scores before soft cap and modifier,
    /// which dQ and dK need, or of those after them, which bias and tables need.</param>
    public AttentionGradientTile(
        in AttentionProblem problem, TScore score, in AttentionGradients gradients,
        ref ScratchCarver carver, bool beforeSoftCap = true)
    {
        this.problem = problem;
        this.score = score;
        usesSlope = beforeSoftCap &&
            (problem.SoftCap > 0 || typeof(TScore) != typeof(NoScoreModifier));
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
        rowScratch = carver.Take(KeyTile);
        slope = carver.Take(KeyTile);
        keep = carver.Take(KeyTile);
        keyScratch = carver.Take(problem.TileScratch);
        queryScratch = carver.Take(QueryTile *
            (long)Math.Max(problem.Sizes.HeadDimension, problem.Sizes.ValueDimension));
        Spans = (int*)carver.Take(QueryTile / Rows * 2);
    }

    /// <summary>Bytes of scratch that one tile takes.</summary>
    public static long ScratchBytes(in AttentionProblem problem)
    {
        AttentionSizes s = problem.Sizes;
        long width = AttentionPacking.Pad<T>(s.HeadDimension);
        long valueWidth = AttentionPacking.Pad<T>(s.ValueDimension);
        return ScratchCarver.Bytes(QueryTile * width, QueryTile * valueWidth, KeyTile * width,
            (long)KeyTile * s.HeadDimension, (long)KeyTile * s.ValueDimension,
            QueryTile * Stride, QueryTile * Stride, KeyTile, KeyTile, KeyTile,
            problem.TileScratch,
            QueryTile * (long)Math.Max(s.HeadDimension, s.ValueDimension),
            QueryTile / Rows * 2);
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

    /// <summary>True when q of the tile holds neither NaN nor ∞.</summary>
    public bool QueriesFinite { get; private set; }

    /// <summary>True when dO of the tile holds neither NaN nor ∞.</summary>
    public bool OutputGradientsFinite { get; private set; }

    /// <summary>Blocks of six queries in the query tile.</summary>
    public int Blocks { get; private set; }

    /// <summary>Turns to keys [firstKey, firstKey + keys) of a key/value head; they are read when
    /// the first query is found that sees any of them.</summary>
    public void LoadKeys(int batch, int head, int firstKey, int keys)
    {
        sequence = batch;
        keyHead = head;
        tile = firstKey;
        tileKeys = keys;
        loaded = false;
    }

    /// <summary>Computes P and dS of queries [query, query + rows) of a query head.</summary>
    /// <returns>False when they see none of the tile's keys; nothing is computed then.</returns>
    public bool LoadQueries(int head, int query, int rows)
    {
        problem.Sequences.VisibleKeys(sequence, query, out int first, out _);
        problem.Sequences.VisibleKeys(sequence, query + rows - 1, out _, out int end);
        first = Math.Max(first, tile);
        end = Math.Min(end, tile + tileKeys);
        if (first >= end || AttentionRow.Sight(problem, score, sequence, head, query, rows, first,
            end) == AttentionSight.None)
        {
            return false;
        }

        if (!loaded) PackKeys();
        Blocks = (rows + Rows - 1) / Rows;
        PackQueries(head, query, rows);
        for (int block = 0; block < Blocks; block++)
        {
            int at = block * Rows;
            Compute(block, head, query + at, Math.Min(Rows, rows - at));
        }

        return true;
    }

    private void PackKeys()
    {
        AttentionSizes s = problem.Sizes;
        float* key = problem.Key.ReadKeys(
            problem.Sequences, sequence, keyHead, tile, tileKeys, keyScratch, out long stride);
        AttentionPacking.Transposed<T>(
            key, stride, tileKeys, s.HeadDimension, keysTransposed, KeyTile);
        KeysFinite = AttentionPacking.Rows<T>(key, stride, tileKeys, s.HeadDimension, 1, Keys);
        float* value = problem.Value.ReadKeys(
            problem.Sequences, sequence, keyHead, tile, tileKeys, keyScratch, out stride);
        AttentionPacking.Transposed<T>(
            value, stride, tileKeys, s.ValueDimension, valuesTransposed, KeyTile);
        loaded = true;
    }

    private void PackQueries(int head, int query, int rows)
    {
        AttentionSizes s = problem.Sizes;
        float* sums = gradients.LogSumExp + problem.Sequences.RowIndex(sequence, head, query);
        float* q = problem.Query.ReadQueries(
            problem.Sequences, sequence, head, query, rows, queryScratch, out long stride);
        QueriesFinite = AttentionPacking.Rows<T>(
            q, stride, rows, s.HeadDimension, problem.Scale, Queries);
        float* gradient = gradients.OutputGradient.ReadQueries(
            problem.Sequences, sequence, head, query, rows, queryScratch, out stride);
        OutputGradientsFinite = AttentionPacking.Rows<T>(
            gradient, stride, rows, s.ValueDimension, 1, OutputGradients);
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
        problem.Sequences.VisibleKeys(sequence, query, out int first, out int endOfAll);
        problem.Sequences.VisibleKeys(
            sequence, query + rows - 1, out int firstOfAll, out int end);
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
        AttentionMultiply.Chained<T>(Queries + (block * Rows * Width), Width,
            keysTransposed + from, KeyTile, weights + from, Stride,
            problem.Sizes.HeadDimension, vectors);
        AttentionMultiply.Chained<T>(OutputGradients + (block * Rows * ValueWidth), ValueWidth,
            valuesTransposed + from, KeyTile, scoreGradients + from, Stride,
            problem.Sizes.ValueDimension, vectors);
        // Read in columns of six: what lies between the last key and the next six must be 0.
        int columns = Math.Max(to, (tileKeys + Rows - 1) / Rows * Rows);
        bool shape = typeof(TScore) != typeof(NoScoreModifier) || problem.ShapesScores ||
            firstOfAll - tile > from || endOfAll - tile < to || tileKeys < to;
        // Rows that see no key outside the tile, all of whose weight lies on keys.
        bool whole = tile == 0 && problem.Sequences.Keys(sequence) <= KeyTile &&
            !problem.Terms.HasSinks && !problem.Dropout.IsPresent;
        for (int row = 0; row < Rows; row++)
        {
            float* p = weights + (row * Stride);
            float* ds = scoreGradients + (row * Stride);
            new Span<float>(p, from).Clear();
            new Span<float>(ds, from).Clear();
            new Span<float>(p + to, columns - to).Clear();
            new Span<float>(ds + to, columns - to).Clear();
            long index = problem.Sequences.RowIndex(sequence, head, query + row);
            if (row >= rows || float.IsNegativeInfinity(gradients.LogSumExp[index]))
            {
                new Span<float>(p, columns).Clear();
                new Span<float>(ds, columns).Clear();
                continue;
            }

            AttentionRow of =
                AttentionRow.Of(problem, sequence, head, query + row, tile, tileKeys);
            if (shape)
            {
                of.ShapeBackward<T, TScore>(problem, score, p, from, to, rowScratch, slope);
            }

            if (problem.Dropout.IsPresent) problem.Dropout.Fill<T>(of, from, to, keep);
            float delta = gradients.Deltas[index];
            if (whole) delta += Rest(p, ds, from, to, gradients.LogSumExp[index], delta);
            Differentiate(p, ds, from, to, gradients.LogSumExp[index], delta,
                usesSlope ? slope : null, problem.Dropout.IsPresent ? keep : null);
        }
    }

    /// <summary>Σ P·(dP − δ) / Σ P of a row whose keys are all here: what δ = dO·O lacks, because
    /// O was rounded, to make the sum of dS the 0 that it is. 0 for a single key.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Rest(
        float* scores, float* weightGradients, int from, int to, float logSumExp, float delta)
    {
        T shift = T.Broadcast(logSumExp), hidden = T.Broadcast(float.NegativeInfinity);
        T center = T.Broadcast(delta), products = T.Zero, weights = T.Zero;
        for (int j = from; j < to; j += T.Width)
        {
            T s = T.Load(scores + j);
            T weight = T.SelectEqual(s, hidden, T.Zero, SimdMath.ExpNonPositive(s - shift));
            T distance = T.Load(weightGradients + j) - center;
            products = T.MultiplyAdd(
                weight, T.SelectEqual(s, hidden, T.Zero, distance), products);
            weights += weight;
        }

        float total = T.Sum(weights);
        return total > 0 ? T.Sum(products) / total : 0;
    }

    /// <summary>Scores to P and dP to dS, in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Differentiate(
        float* p, float* ds, int from, int to, float logSumExp, float delta, float* slope,
        float* keep)
    {
        T shift = T.Broadcast(logSumExp), center = T.Broadcast(delta);
        T hidden = T.Broadcast(float.NegativeInfinity);
        for (int j = from; j < to; j += T.Width)
        {
            T s = T.Load(p + j);
            // Selected: a row whose log-sum-exp is NaN spoils the keys it sees, and no others.
            T weight = T.SelectEqual(s, hidden, T.Zero, SimdMath.ExpNonPositive(s - shift));
            T dropped = weight;
            T weightGradient = T.Load(ds + j);
            if (keep != null)
            {
                // Selected: the value of a dropped weight may not be finite.
                T factor = T.Load(keep + j);
                dropped *= factor;
                weightGradient =
                    T.SelectEqual(factor, T.Zero, T.Zero, weightGradient * factor);
            }

            T gradient = weight * (weightGradient - center);
            if (slope != null) gradient *= T.Load(slope + j);
            T.Store(dropped, p + j);
            T.Store(T.SelectEqual(s, hidden, T.Zero, gradient), ds + j);
        }
    }
}
