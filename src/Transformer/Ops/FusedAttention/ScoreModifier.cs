namespace Transformer.Ops;

/// <summary>
/// An <see cref="IScoreModifier"/> as an attention call carries it: kernels unwrap the struct and
/// are specialised for its type.
/// </summary>
public abstract class ScoreModifier
{
    private protected ScoreModifier()
    {
    }

    /// <summary>The struct's name, for messages.</summary>
    public abstract string Name { get; }

    /// <summary>True when the struct has a derivative, which the backward pass needs.</summary>
    public abstract bool IsDifferentiable { get; }

    /// <summary>Wraps a modifier for forward calls.</summary>
    /// <param name="modifier">The struct; copied.</param>
    public static ScoreModifier Of<TScore>(TScore modifier)
        where TScore : struct, IScoreModifier => new ForwardOnly<TScore>(modifier);

    /// <summary>Wraps a modifier for forward and backward calls.</summary>
    /// <param name="modifier">The struct; copied.</param>
    public static ScoreModifier OfDifferentiable<TScore>(TScore modifier)
        where TScore : struct, IDifferentiableScoreModifier => new Both<TScore>(modifier);

    /// <summary>The struct's <see cref="IScoreModifier.Apply"/>.</summary>
    internal abstract float Apply(float score, int batch, int head, int query, int key);

    /// <summary>The struct's <see cref="IScoreModifier.IsVisible"/>.</summary>
    internal abstract bool IsVisible(int batch, int head, int query, int key);

    /// <summary>The struct's derivative.</summary>
    /// <exception cref="NotSupportedException">It has none.</exception>
    internal abstract float Derivative(float score, int batch, int head, int query, int key);

    /// <summary>Runs an action that is generic over the struct.</summary>
    internal abstract void Dispatch<TAction>(in TAction action)
        where TAction : struct, IScoreAction;

    /// <summary>As <see cref="Dispatch"/>, for an action that differentiates.</summary>
    internal abstract void DispatchBackward<TAction>(in TAction action)
        where TAction : struct, IScoreBackwardAction;

    /// <summary>A wrapper for the time of one call, kept by its thread for the next: entries that
    /// take the struct itself allocate nothing.</summary>
    internal readonly ref struct Loan<TScore> where TScore : struct, IScoreModifier
    {
        public Loan(TScore modifier) =>
            Modifier = Spare<ForwardOnly<TScore>>.Take(modifier) ?? Of(modifier);

        public ScoreModifier Modifier { get; }

        public void Dispose() => Spare<ForwardOnly<TScore>>.Item = (ForwardOnly<TScore>)Modifier;
    }

    /// <summary>As <see cref="Loan{TScore}"/>, for backward calls.</summary>
    internal readonly ref struct DifferentiableLoan<TScore>
        where TScore : struct, IDifferentiableScoreModifier
    {
        public DifferentiableLoan(TScore modifier) =>
            Modifier = Spare<Both<TScore>>.Take(modifier) ?? OfDifferentiable(modifier);

        public ScoreModifier Modifier { get; }

        public void Dispose() => Spare<Both<TScore>>.Item = (Both<TScore>)Modifier;
    }

    private interface ILendable<TScore>
    {
        void Set(TScore modifier);
    }

    private static class Spare<TWrapper> where TWrapper : ScoreModifier
    {
        [ThreadStatic]
        public static TWrapper? Item;

        public static TWrapper? Take<TScore>(TScore modifier)
        {
            TWrapper? taken = Item;
            Item = null;
            (taken as ILendable<TScore>)?.Set(modifier);
            return taken;
        }
    }

    private sealed class ForwardOnly<TScore>(TScore modifier) : ScoreModifier, ILendable<TScore>
        where TScore : struct, IScoreModifier
    {
        public override string Name => typeof(TScore).Name;

        public override bool IsDifferentiable => false;

        public void Set(TScore other) => modifier = other;

        internal override float Apply(float score, int batch, int head, int query, int key) =>
            modifier.Apply(score, batch, head, query, key);

        internal override bool IsVisible(int batch, int head, int query, int key) =>
            !TScore.HidesKeys || modifier.IsVisible(batch, head, query, key);

        internal override float Derivative(
            float score, int batch, int head, int query, int key) => throw NoDerivative();

        internal override void Dispatch<TAction>(in TAction action) => action.Run(modifier);

        internal override void DispatchBackward<TAction>(in TAction action) =>
            throw NoDerivative();

        private NotSupportedException NoDerivative() => new(
            $"FusedAttention: '{Name}' has no derivative. Implement " +
            $"{nameof(IDifferentiableScoreModifier)}.");
    }

    private sealed class Both<TScore>(TScore modifier) : ScoreModifier, ILendable<TScore>
        where TScore : struct, IDifferentiableScoreModifier
    {
        public override string Name => typeof(TScore).Name;

        public override bool IsDifferentiable => true;

        public void Set(TScore other) => modifier = other;

        internal override float Apply(float score, int batch, int head, int query, int key) =>
            modifier.Apply(score, batch, head, query, key);

        internal override bool IsVisible(int batch, int head, int query, int key) =>
            !TScore.HidesKeys || modifier.IsVisible(batch, head, query, key);

        internal override float Derivative(
            float score, int batch, int head, int query, int key) =>
            modifier.Derivative(score, batch, head, query, key);

        internal override void Dispatch<TAction>(in TAction action) => action.Run(modifier);

        internal override void DispatchBackward<TAction>(in TAction action) =>
            action.Run(modifier);
    }
}

/// <summary>Work that is compiled for each score modifier.</summary>
internal interface IScoreAction
{
    void Run<TScore>(TScore score) where TScore : struct, IScoreModifier;
}

/// <summary>Work that is compiled for each differentiable score modifier.</summary>
internal interface IScoreBackwardAction
{
    void Run<TScore>(TScore score) where TScore : struct, IDifferentiableScoreModifier;
}

/// <summary>Leaves scores as they are; kernels drop the calls.</summary>
internal readonly struct NoScoreModifier : IDifferentiableScoreModifier
{
    static bool IScoreModifier.HidesKeys => false;

    public float Apply(float score, int batch, int head, int query, int key) => score;

    public bool IsVisible(int batch, int head, int query, int key) => true;

    public float Derivative(float score, int batch, int head, int query, int key) => 1;
}
