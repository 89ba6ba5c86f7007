using Transformer.Cuda.Driver;
using Transformer.Cuda.LayerNorm;
using Transformer.Cuda.RmsNorm;

namespace Transformer.Cuda;

/// <remarks>Ops that work row by row or element by element.</remarks>
public sealed partial class CudaBackend
{
    private void RegisterRows(CudaQueue rows)
    {
        Register(new LayerNormBackwardCuda(rows));
        Register(new RmsNormForwardCuda(rows));
        Register(new RmsNormBackwardCuda(rows));
    }
}
