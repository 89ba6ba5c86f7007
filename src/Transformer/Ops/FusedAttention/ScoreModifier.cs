using System.Runtime.CompilerServices;

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

    /// <summary>True when the struct refers to managed objects, arrays for example.</summary>
    internal abstract bool HoldsReferences { get; }

    /// <summary>Wraps a modifier for forward calls.</summary>
    /// <param name="modifier">The struct; copied.</param>
    public static ScoreModifier Of<TScore>(TScore modifier)
        where TScore : struct, IScoreModifier => new Typed<TScore> { Modifier = modifier };

    /// <summary>Wraps a modifier for forward and backward calls.</summary>
    /// <param name="modifier">The struct; copied.</param>
    public static ScoreModifier OfDifferentiable<TScore>(TScore modifier)
        where TScore : struct, IDifferentiableScoreModifier =>
        new Differentiable<TScore> { Modifier = modifier };

    /// <summary>A wrapper for the time of one forward call, kept by its thread for the next:
    /// entries that take the struct itself allocate nothing.</summary>
    internal static Loan<TScore> Lend<TScore>(TScore modifier)
        where TScore : struct, IScoreModifier => new(Typed<TScore>.Take() ?? new(), modifier);

    /// <summary>As <see cref="Lend"/>, for a backward call.</summary>
    internal static Loan<TScore> LendDifferentiable<TScore>(TScore modifier)
        where TScore : struct, IDifferentiableScoreModifier => new(
            Typed<TScore>.Take() as Differentiable<TScore> ?? new Differentiable<TScore>(),
            modifier);

    /// <summary>The struct's <see cref="IScoreModifier.Apply"/>.</summary>
    internal abstract float Apply(float score, int batch, int head, int query, int key);

    /// <summary>The struct's <see cref="IScoreModifier.IsVisible"/>.</summary>
    internal abstract bool IsVisible(int batch, int head, int query, int key);

    /// <summary>The struct's derivative.</summary>
    /// <exception cref="NotSupportedException">It has none.</exception>
    internal virtual float Derivative(float score, int batch, int head, int query, int key) =>
        throw NoDerivative();

    /// <summary>Runs an action that is generic over the struct.</summary>
    internal abstract void Dispatch<TAction>(in TAction action)
        where TAction : struct, IScoreAction;

    /// <summary>As <see cref="Dispatch"/>, for an action that differentiates.</summary>
    /// <exception cref="NotSupportedException">The struct has no derivative.</exception>
    internal virtual void DispatchBackward<TAction>(in TAction action)
        where TAction : struct, IScoreBackwardAction => throw NoDerivative();

    private NotSupportedException NoDerivative() => new(
        $"FusedAttention: '{Name}' has no derivative. Implement " +
        $"{nameof(IDifferentiableScoreModifier)} and wrap it with {nameof(OfDifferentiable)}.");

    /// <summary>A wrapper on loan; goes back empty, so that nothing that the struct refers to
    /// outlives the call.</summary>
    internal readonly ref struct Loan<TScore> where TScore : struct, IScoreModifier
    {
        private readonly Typed<TScore> wrapper;

        public Loan(Typed<TScore> wrapper, TScore modifier)
        {
            this.wrapper = wrapper;
            wrapper.Modifier = modifier;
        }

        public ScoreModifier Modifier => wrapper;

        public void Dispose() => wrapper.Return();
    }

    internal class Typed<TScore> : ScoreModifier where TScore : struct, IScoreModifier
    {
        [ThreadStatic]
        private static Typed<TScore>? spare;

        public TScore Modifier { get; set; }

        public override string Name => typeof(TScore).Name;

        public override bool IsDifferentiable => false;

        internal override bool HoldsReferences =>
            RuntimeHelpers.IsReferenceOrContainsReferences<TScore>();

        /// <summary>The thread's spare wrapper; null where there is none, or it is on loan.
        /// </summary>
        public static Typed<TScore>? Take()
        {
            Typed<TScore>? taken = spare;
            spare = null;
            return taken;
        }

        /// <summary>Becomes the thread's spare wrapper.</summary>
        public void Return()
        {
            Modifier = default;
            spare = this;
        }

        internal override float Apply(float score, int batch, int head, int query, int key) =>
            Modifier.Apply(score, batch, head, query, key);

        internal override bool IsVisible(int batch, int head, int query, int key) =>
            !TScore.HidesKeys || Modifier.IsVisible(batch, head, query, key);

        internal override void Dispatch<TAction>(in TAction action) => action.Run(Modifier);
    }

    private sealed class Differentiable<TScore> : Typed<TScore>
        where TScore : struct, IDifferentiableScoreModifier
    {
        public override bool IsDifferentiable => true;

        internal override float Derivative(
            float score, int batch, int head, int query, int key) =>
            Modifier.Derivative(score, batch, head, query, key);

        internal override void DispatchBackward<TAction>(in TAction action) =>
            action.Run(Modifier);
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
