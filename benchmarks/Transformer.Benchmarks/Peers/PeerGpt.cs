using Transformer.Backends;
using Transformer.Models;
using Transformer.Models.Generation;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Training;

namespace Transformer.Benchmarks.Peers;

/// <summary>Cases on whole models: GPT-2's shape with the case's weights.</summary>
internal static class PeerGpt
{
    // The cache grows by a token a call; it is read anew long before a step costs much more.
    private const int StepsBeforeReading = 64;

    /// <summary>Logits of the next token after a text.</summary>
    public static PeerWork Prompt(PeerCase work, Backend? backend)
    {
        GptSession session = Model(work, backend).Session;
        int[] ids = Whole(work.Input("ids"));
        float[] logits = new float[work.Size("vocabulary")];
        return new(() => session.Read(ids).CopyTo(logits), [("logits", logits)]);
    }

    /// <summary>Logits after one more token. The output is the first step's.</summary>
    public static PeerWork Decode(PeerCase work, Backend? backend)
    {
        GptSession session = Model(work, backend).Session;
        int[] ids = Whole(work.Input("ids"));
        int past = work.Size("past");
        float[] logits = new float[work.Size("vocabulary")];
        session.Read(ids.AsSpan(0, past));
        session.Step(ids[past]).CopyTo(logits);
        return new(() =>
        {
            if (session.Length == past + StepsBeforeReading) session.Read(ids.AsSpan(0, past));
            session.Step(ids[past]);
        }, [("logits", logits)]);
    }

    /// <summary>A training step: gradients, clipped to norm 1, and AdamW. The output is the loss
    /// before the first.</summary>
    public static PeerWork Train(PeerCase work, Backend? backend)
    {
        Gpt model = Model(work, backend);
        int[] ids = Whole(work.Input("ids")), labels = Whole(work.Input("labels"));
        int batch = work.Size("batch"), length = work.Size("tokens");
        CompiledGraph graph = model.TrainingGraph(batch, length);
        graph.Feed<int>("ids", ids);
        graph.Feed<int>("labels", labels);
        graph.Feed<float>("lossGradient", [1f / labels.Length]);
        graph.Forward();
        float[] loss = [Batch.FetchLoss(graph) / labels.Length];
        AdamWOptimizer optimizer = new(model.Parameters, new()
        {
            ClipNorm = 1, Beta1 = 0.9, Beta2 = 0.99, WeightDecay = 0.1,
        });
        long step = 0;
        return new(() =>
        {
            model.Parameters.ClearGradients();
            graph.Forward();
            Batch.FetchLoss(graph);
            graph.Backward();
            optimizer.MeasureGradients();
            optimizer.Update(1e-3, ++step);
        }, [("loss", loss)]);
    }

    private static Gpt Model(PeerCase work, Backend? backend)
    {
        Gpt model = new(new()
        {
            Vocabulary = work.Size("vocabulary"),
            Positions = work.Size("positions"),
            Layers = work.Size("layers"),
            Heads = work.Size("heads"),
            Width = work.Size("width"),
        }, backend ?? BackendRegistry.Cpu, seed: 1);
        string file = Path.GetTempFileName();
        try
        {
            SafeTensorsWriter writer = new();
            foreach ((string name, long[] dims) in work.Shapes)
            {
                if (name is "ids" or "labels") continue;
                writer.Add<float>($"transformer.{name}", work.Input(name), dims);
            }

            writer.Write(file);
            model.LoadWeights(file);
        }
        finally
        {
            File.Delete(file);
        }

        return model;
    }

    private static int[] Whole(float[] numbers) => Array.ConvertAll(numbers, x => (int)x);
}
