using Transformer.Models.Training;

namespace Transformer.Cli.Tests;

/// <summary>Bad input and defects are told apart; each is one line.</summary>
public sealed class ErrorKindTests
{
    public static TheoryData<Exception, int> Kinds => new()
    {
        { new ArgumentException("m"), Application.BadInput },
        { new NotSupportedException("m"), Application.BadInput },
        { new InvalidDataException("m"), Application.BadInput },
        { new FileNotFoundException("m"), Application.BadInput },
        { new UnauthorizedAccessException("m"), Application.BadInput },
        { new NonFiniteTrainingException(3, "the loss", "node 'x'"), Application.BadInput },
        { new OverflowException("m"), Application.BadInput },
        { new OperationCanceledException("m"), Application.Interrupted },
        { new ArgumentOutOfRangeException("m"), Application.InternalError },
        { new DivideByZeroException("m"), Application.InternalError },
        { new InvalidOperationException("m"), Application.InternalError },
        { new KeyNotFoundException("m"), Application.InternalError },
        { new InvalidCastException("m"), Application.InternalError },
    };

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Report_GivesOneLineAndTheExitCodeOfTheKind(Exception exception, int exitCode)
    {
        using StringWriter error = new();

        Assert.Equal(exitCode, Application.Report(error, exception));
        string line = Assert.Single(error.ToString().TrimEnd().Split('\n'));
        Assert.StartsWith("error: ", line);
        Assert.Equal(exitCode == Application.InternalError, line.StartsWith(
            $"error: internal error: {exception.GetType().Name}: ", StringComparison.Ordinal));
    }
}
