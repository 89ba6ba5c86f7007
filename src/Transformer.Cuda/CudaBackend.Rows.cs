using Transformer.Cuda.Activations;
using Transformer.Cuda.AdamW;
using Transformer.Cuda.Add;
using Transformer.Cuda.Driver;
using Transformer.Cuda.Dropout;
using Transformer.Cuda.Embedding;
using Transformer.Cuda.GradientNorm;
using Transformer.Cuda.LayerNorm;
using Transformer.Cuda.NegativeLogLikelihood;
using Transformer.Cuda.RmsNorm;
using Transformer.Cuda.RotaryEmbedding;
using Transformer.Cuda.Sampling;
using Transformer.Cuda.Softmax;
using Transformer.Cuda.SoftmaxCrossEntropy;
using Transformer.Cuda.TopK;
using Transformer.Ops;

namespace Transformer.Cuda;

/// <remarks>Ops that work row by row or element by element.</remarks>
public sealed partial class CudaBackend
{
    private void RegisterRows(CudaQueue rows)
    {
        Register(new LayerNormBackwardCuda(rows));
        Register(new RmsNormForwardCuda(rows));
        Register(new RmsNormBackwardCuda(rows));
        Register(new AddCuda(rows));
        ActivationCuda activation = new(rows);
        Register<ActivationForward>(activation);
        Register<ActivationBackward>(activation);
        DropoutCuda dropout = new(rows);
        Register<DropoutForward>(dropout);
        Register<DropoutBackward>(dropout);
        SoftmaxCuda softmax = new(rows);
        Register<SoftmaxForward>(softmax);
        Register<LogSoftmaxForward>(softmax);
        Register(new SoftmaxCrossEntropyForwardCuda(rows));
        Register(new SoftmaxCrossEntropyBackwardCuda(rows));
        NegativeLogLikelihoodCuda likelihood = new(rows);
        Register<NegativeLogLikelihoodForward>(likelihood);
        Register<NegativeLogLikelihoodBackward>(likelihood);
        Register(new EmbeddingForwardCuda(rows));
        Register(new EmbeddingBackwardCuda(rows));
        RotaryEmbeddingCuda rotary = new(rows);
        Register<RotaryEmbeddingForward>(rotary);
        Register<RotaryEmbeddingBackward>(rotary);
        Register(new AdamWCuda(rows));
        Register(new GradientNormCuda(rows));
        Register(new TopKCuda(rows));
        Register(new SamplingCuda(rows));
    }
}
