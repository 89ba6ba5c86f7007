using Transformer.Samples;

(string Name, Action<TextWriter> Run)[] samples =
[
    ("student", StudentSample.Run), ("robot", RobotSample.Run), ("masks", MaskSample.Run),
    ("pair", PairSample.Run),
];
string[] chosen = args.Length > 0 ? args : [.. samples.Select(sample => sample.Name)];
if (chosen.FirstOrDefault(name => samples.All(sample => sample.Name != name)) is { } unknown)
{
    Console.Error.WriteLine($"error: there is no sample '{unknown}'; expected " +
        $"{string.Join(", ", samples.Select(sample => sample.Name))}, or nothing for all.");
    return 2;
}

foreach (string name in chosen)
{
    Console.WriteLine($"# {name}");
    samples.First(sample => sample.Name == name).Run(Console.Out);
    Console.WriteLine();
}

return 0;
