namespace Transformer.Models.Layers;

/// <summary>How token vectors are told their positions.</summary>
public enum PositionKind
{
    /// <summary>A trained table.</summary>
    Learned,

    /// <summary>Sines and cosines, Vaswani et al. 2017, §3.5.</summary>
    Sinusoidal,
}
