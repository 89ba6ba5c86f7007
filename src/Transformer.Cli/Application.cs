using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Runtime.InteropServices;
using Transformer.Cli.Commands;
using Transformer.Cli.Commands.Demo;
using Transformer.Cli.Commands.Run;
using Transformer.Cli.Commands.Train;
using Transformer.Cli.Output;
using Transformer.Cuda;
using Transformer.Kernels.Ilgpu;

namespace Transformer.Cli;

/// <summary>The command line: one class a command, one line an error, exit codes by kind.</summary>
public static class Application
{
    /// <summary>Everything done.</summary>
    public const int Done = 0;

    /// <summary>A check failed.</summary>
    public const int CheckFailed = 1;

    /// <summary>Bad usage or bad input.</summary>
    public const int BadInput = 2;

    /// <summary>A defect of the program, as sysexits.h numbers it.</summary>
    public const int InternalError = 70;

    /// <summary>Interrupted, after saving.</summary>
    public const int Interrupted = 130;

    private const string TraceVariable = "TRANSFORMER_TRACE";

    /// <summary>Parses the arguments, runs the command and returns the exit code.</summary>
    /// <param name="args">The arguments after the program's name.</param>
    /// <param name="output">Standard output.</param>
    /// <param name="error">Standard error: one line for an error.</param>
    public static int Run(string[] args, TextWriter output, TextWriter error)
    {
        CudaBackend.Register();
        IlgpuBackends.Register();
        ParseResult parsed = CreateRoot().Parse(args);
        if (parsed.Errors.Count > 0) return Report(error, FirstError(parsed), BadInput);
        if ((Misspelt(parsed) ?? EmptyPath(parsed) ?? BadThreadCount()) is { } wrong)
            return Report(error, wrong, BadInput);
        try
        {
            using CancellationTokenSource interruption = new();
            using PosixSignalRegistration interrupt = OnSignal(PosixSignal.SIGINT, interruption);
            using PosixSignalRegistration termination =
                OnSignal(PosixSignal.SIGTERM, interruption);
            InvocationConfiguration configuration = new()
            {
                EnableDefaultExceptionHandler = false,
                Output = output,
                Error = error,
                ProcessTerminationTimeout = null,
            };
            return parsed.InvokeAsync(configuration, interruption.Token).GetAwaiter().GetResult();
        }
        catch (Exception exception)
        {
            return Report(error, exception);
        }
    }

    /// <summary>Commands get a cancelled token on the first Ctrl-C and may take their time to save;
    /// the second ends the process.</summary>
    private static PosixSignalRegistration OnSignal(
        PosixSignal signal, CancellationTokenSource interruption) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            if (interruption.IsCancellationRequested) return;
            context.Cancel = true;
            interruption.Cancel();
        });

    /// <summary>Writes one line for an exception and returns the exit code of its kind.</summary>
    internal static int Report(TextWriter error, Exception exception)
    {
        if (exception is OperationCanceledException)
        {
            return Report(error, "interrupted", Interrupted);
        }

        if (IsUserError(exception)) return Report(error, Message(exception), BadInput);
        bool trace = Environment.GetEnvironmentVariable(TraceVariable) == "1";
        string remedy = trace ? "The stack trace follows." :
            $"Set {TraceVariable}=1 to see where, and report it.";
        Report(error, $"internal error: {exception.GetType().Name}: {exception.Message} {remedy}",
            InternalError);
        if (trace) error.WriteLine(exception.StackTrace);
        return InternalError;
    }

    internal static RootCommand CreateRoot() => new(
        "Fused attention and Transformers: verify, measure, train, translate.")
    {
        AttentionMapCommand.Create(),
        BenchCommand.Create(),
        ClassifyCommand.Create(),
        ComplexityCommand.Create(),
        DemoCommand.Create(),
        DevicesCommand.Create(),
        EmbeddingsCommand.Create(),
        EvaluateCommand.Create(),
        ConversionCommands.Export(),
        FillMaskCommand.Create(),
        GenerateCommand.Create(),
        ConversionCommands.Import(),
        NextSentenceCommand.Create(),
        PositionMapCommand.Create(),
        RunCommand.Create(),
        TokenizerCommand.Create(),
        TrainCommand.Create(),
        TranslateCommand.Create(),
        VerifyCommand.Create(),
    };

    // What input, files and the machine can cause. A null, an index or a wrong state can only come
    // from a defect.
    private static bool IsUserError(Exception exception) => exception switch
    {
        ArgumentNullException or ArgumentOutOfRangeException => false,
        DivideByZeroException => false,
        ArgumentException or NotSupportedException or InvalidDataException => true,
        IOException or UnauthorizedAccessException or OutOfMemoryException => true,
        ArithmeticException => true, // a loss that is not finite, sizes beyond 64 bits
        _ => false,
    };

    /// <summary>A command that takes any text would take a misspelt option for some.</summary>
    private static string? Misspelt(ParseResult parsed)
    {
        Token[] texts = [.. parsed.CommandResult.Children.OfType<ArgumentResult>()
            .SelectMany(argument => argument.Tokens)
            .Where(token => token.Value.StartsWith("--", StringComparison.Ordinal))];
        Token? wrong = parsed.Tokens.TakeWhile(token => token.Type != TokenType.DoubleDash)
            .FirstOrDefault(token => texts.Any(text => ReferenceEquals(text, token)));
        return wrong is null ? null : $"{CommandName(parsed)}: '{wrong.Value}' is none of its " +
            "options; see --help. A text that begins so comes after '--'.";
    }

    private static string? EmptyPath(ParseResult parsed)
    {
        foreach (Option option in parsed.CommandResult.Command.Options)
        {
            // A required option may be missing under --help.
            if (option is Option<string> { HelpName: "FILE" or "FOLDER" } path &&
                parsed.GetResult(path) is { Tokens.Count: > 0 } &&
                parsed.GetValue(path) is { } text && string.IsNullOrWhiteSpace(text))
            {
                return $"{CommandName(parsed)}: {option.Name} is empty. Name a " +
                    $"{path.HelpName!.ToLowerInvariant()}.";
            }
        }

        return null;
    }

    /// <summary>The library would take all processors without a word.</summary>
    private static string? BadThreadCount()
    {
        const string Variable = "TRANSFORMER_THREADS";
        string? text = Environment.GetEnvironmentVariable(Variable);
        bool fits = string.IsNullOrEmpty(text) || (int.TryParse(
            text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) && count >= 1);
        return fits ? null : $"{Variable} is '{text}'; expected a whole number of threads, 1 or " +
            "more. Unset it to use every processor.";
    }

    /// <summary>The system's own messages name no remedy.</summary>
    private static string Message(Exception exception) => exception switch
    {
        InsufficientMemoryException => exception.Message,
        OutOfMemoryException => "there is not enough memory for tensors of these sizes. Use " +
            "smaller sizes, shorter texts or smaller batches.",
        OverflowException => "a size is larger than this machine can address. Use smaller sizes.",
        UnauthorizedAccessException => $"{exception.Message} Check its permissions.",
        _ => exception.Message,
    };

    private static string FirstError(ParseResult parsed)
    {
        // A word that nobody knows says more than the command that is therefore missing.
        string? unknown = parsed.UnmatchedTokens is [string first, ..] ? first : null;
        ParseError error = parsed.Errors.FirstOrDefault(e => unknown is not null &&
            e.Message.Contains(unknown, StringComparison.Ordinal)) ?? parsed.Errors[0];
        string command = CommandName(parsed);
        string space = command.Length > 0 ? " " : "";
        // The choices of an option come one a line, each after a tab.
        string message = error.Message.ReplaceLineEndings("\n").Trim().TrimEnd('.')
            .Replace("'\n\t", "', ", StringComparison.Ordinal)
            .Replace("\n\t", " ", StringComparison.Ordinal);
        return $"{message}. See 'transformer{space}{command} --help'.";
    }

    private static string CommandName(ParseResult parsed)
    {
        List<string> names = [];
        for (SymbolResult? at = parsed.CommandResult; at is CommandResult named; at = at.Parent)
        {
            if (named.Command is not RootCommand) names.Insert(0, named.Command.Name);
        }

        return string.Join(' ', names);
    }

    private static int Report(TextWriter error, string message, int exitCode)
    {
        error.WriteLine($"error: {PlainText.OneLine(message)}");
        return exitCode;
    }
}
