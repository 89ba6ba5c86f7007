using Transformer.Cli;
using Transformer.Cli.Commands.Bench;

return ScalingProcess.Asks(args)
    ? ScalingProcess.Run(args, Console.Out) : Application.Run(args, Console.Out, Console.Error);
