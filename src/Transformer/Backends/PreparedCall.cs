namespace Transformer.Backends;

/// <summary>
/// A call that was validated once and may be run many times, for graphs that replay the same
/// buffers: running it neither checks nor allocates.
/// </summary>
public abstract class PreparedCall
{
    private protected PreparedCall()
    {
    }

    /// <summary>The op's name.</summary>
    public abstract string Op { get; }

    /// <summary>Forward or backward.</summary>
    public abstract OpDirection Direction { get; }

    /// <summary>Runs the kernel on the call's buffers, which must still be there.</summary>
    public abstract void Run();
}

internal sealed class PreparedCall<TCall>(IKernel<TCall> kernel, TCall call) : PreparedCall
    where TCall : struct, IOpCall
{
    private readonly TCall call = call;

    public override string Op => TCall.Op;

    public override OpDirection Direction => TCall.Direction;

    public override void Run() => kernel.Run(in call);
}
