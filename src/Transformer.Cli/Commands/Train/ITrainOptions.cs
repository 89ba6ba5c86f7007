using Transformer.Models.Training;

namespace Transformer.Cli.Commands.Train;

/// <summary>What all kinds of training have in common.</summary>
internal interface ITrainOptions<TSelf> where TSelf : ITrainOptions<TSelf>
{
    /// <summary>The command in full, for messages.</summary>
    static abstract string Command { get; }

    /// <summary>What is trained where no flag is given.</summary>
    static abstract TSelf Default { get; }

    /// <summary>Limits, batches, optimizer, validation, checkpoints.</summary>
    TrainingOptions Training { get; }

    /// <summary>The same with other <see cref="Training"/>.</summary>
    TSelf WithTraining(TrainingOptions training);

    /// <summary>Checks the ranges of what is no part of the model.</summary>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    void Validate();
}
