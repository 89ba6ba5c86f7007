namespace Transformer.Backends;

/// <summary>Forward computes outputs; backward computes gradients.</summary>
public enum OpDirection
{
    /// <summary>Outputs from inputs.</summary>
    Forward,

    /// <summary>Gradients of the inputs from gradients of the outputs.</summary>
    Backward,
}

/// <summary>
/// One call of an op: its buffers, sizes and options. The struct is the op's whole contract: every
/// public entry, the graph and the tests build one, and every backend's kernel takes one.
/// </summary>
public interface IOpCall
{
    /// <summary>The op's name, as folders, the CLI and messages spell it.</summary>
    static abstract string Op { get; }

    /// <summary>Forward or backward.</summary>
    static abstract OpDirection Direction { get; }

    /// <summary>Checks every argument against the others, before any work.</summary>
    /// <exception cref="ArgumentException">An argument does not fit; the message names op,
    /// argument, what was given, what was expected and the remedy.</exception>
    void Validate();
}

/// <summary>One backend's implementation of one op call; stateless and safe on many threads.
/// </summary>
public interface IKernel<TCall> where TCall : struct, IOpCall
{
    /// <summary>Whether this kernel can run the (valid) call; if not, why.</summary>
    /// <remarks>A kernel that runs every valid call leaves this as it is.</remarks>
    bool Supports(in TCall call, out string? reason)
    {
        reason = null;
        return true;
    }


    /// <summary>Runs a validated, supported call.</summary>
    void Run(in TCall call);
}
