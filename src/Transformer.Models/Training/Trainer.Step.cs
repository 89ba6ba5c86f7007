using System.Globalization;
using Transformer.Models.Graph;

namespace Transformer.Models.Training;

/// <content>One update of the weights.</content>
public partial class Trainer
{
    // Half of a step's weight in the smoothed loss is gone after 35 steps.
    private const double Smoothing = 0.98;

    private void Step()
    {
        int first = State.Batch;
        int end = Math.Min(first + options.AccumulationSteps, task.BatchCount);
        long labels = 0, tokens = 0;
        for (int i = first; i < end; i++)
        {
            labels += task.Labels(i);
            tokens += task.Tokens(i);
        }

        task.Parameters.ClearGradients();
        double loss = 0;
        CompiledGraph graph = null!;
        for (int i = first; i < end; i++)
        {
            graph = task.Load(i);
            graph.Profile = Profile;
            loss += ForwardBackward(graph, i - first, labels);
        }

        optimizer.Profile = Profile;
        float norm = optimizer.MeasureGradients();
        if (!float.IsFinite(norm)) ThrowNonFinite(graph, "the gradient's norm", norm);
        double rate = schedule.Rate(State.Step + 1);
        optimizer.Update(rate, State.Step + 1);
        State.Step++;
        State.Batch = end;
        State.TokensSeen += tokens;
        Report(loss / labels, rate, norm, tokens);
        if (end == task.BatchCount)
        {
            State.Epoch++;
            State.Batch = 0;
            task.StartEpoch(State.Epoch);
        }
    }

    /// <summary>Adds the gradients of one micro-batch; returns the sum of its losses.</summary>
    private float ForwardBackward(CompiledGraph graph, int microBatch, long labels)
    {
        graph.Feed<float>("lossGradient", [1f / labels]);
        graph.Seed = options.Seed ^ DropoutSeed;
        graph.Step = (State.Step * options.AccumulationSteps) + microBatch;
        graph.Forward();
        float loss = Batch.FetchLoss(graph);
        if (!float.IsFinite(loss)) ThrowNonFinite(graph, "the loss", loss);
        graph.Backward();
        return loss;
    }

    private void ThrowNonFinite(CompiledGraph graph, string what, float value) =>
        throw new NonFiniteTrainingException(
            State.Step + 1,
            string.Create(CultureInfo.InvariantCulture, $"{what} is {value}"),
            GraphDebugger.FirstNonFinite(graph));

    private void Report(double loss, double rate, double norm, long tokens)
    {
        meter.Step(tokens);
        smoothedSum = (smoothedSum * Smoothing) + loss;
        smoothedWeight = (smoothedWeight * Smoothing) + 1;
        if (observer is null) return;
        long? left = StepsLeft();
        double done = left is { } steps ? (double)State.Step / (State.Step + steps) : 0;
        if (options.MaxMinutes > 0)
            done = Math.Max(done, Math.Min(1, meter.Elapsed.TotalMinutes / options.MaxMinutes));
        observer.Stepped(new TrainingProgress
        {
            Step = State.Step,
            Epoch = State.Epoch,
            Batch = State.Batch,
            BatchesInEpoch = task.BatchCount,
            Loss = loss,
            SmoothedLoss = smoothedSum / smoothedWeight,
            LearningRate = rate,
            GradientNorm = norm,
            TokensPerSecond = meter.TokensPerSecond,
            Elapsed = meter.Elapsed,
            TimeLeft = meter.TimeLeft(left, options.MaxMinutes),
            Done = done,
        });
    }
}
