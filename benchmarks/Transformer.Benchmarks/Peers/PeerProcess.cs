using System.Diagnostics;
using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json;
using Transformer.Verification;

namespace Transformer.Benchmarks.Peers;

/// <summary>The library as a peer of benchmarks/peers: answers lines on standard input by lines on
/// standard output. benchmarks/README.md lists them.</summary>
internal sealed class PeerProcess
{
    private const string Variant = "Transformer";

    private PeerWork[] copies = [];
    private int next;

    /// <summary>Answers every line until the input ends.</summary>
    public static int Run(TextReader input, TextWriter output)
    {
        PeerProcess peer = new();
        while (input.ReadLine() is { } line)
        {
            string answer;
            try
            {
                answer = "ok " + peer.Answer(line.Split('\t'));
            }
            catch (NotSupportedException reason)
            {
                answer = "cannot " + reason.Message;
            }
            catch (Exception error) when (error is ArgumentException or IOException
                or UnauthorizedAccessException or JsonException or KeyNotFoundException
                or InvalidOperationException)
            {
                answer = "error " + error.Message.ReplaceLineEndings(" ");
            }

            output.WriteLine(answer);
            output.Flush();
        }

        return 0;
    }

    private string Answer(string[] words)
    {
        switch (words)
        {
            case ["hello"]:
                return Json(Describe);
            case ["limits", string seconds]:
                TimeSpan budget = TimeSpan.FromSeconds(Number(seconds));
                MachineLimits limits = MachineLimits.Measure(budget);
                return Json(json => BenchReport.WriteMachine(json, limits));
            case ["prepare", string folder]:
                PeerCase work = PeerCase.Open(folder);
                copies = [.. Enumerable.Range(0, work.Copies).Select(_ => PeerWork.Of(work))];
                next = 0;
                return $"[\"{Variant}\"]";
            case ["run", Variant, string calls]:
                return "[" + string.Join(',', Time((int)Number(calls)).Select(
                    ms => ms.ToString("R", CultureInfo.InvariantCulture))) + "]";
            case ["write", Variant, string folder]:
                copies[0].Run();
                foreach ((string name, float[] values) in copies[0].Outputs)
                    PeerCase.Write(folder, name, values);
                return "[]";
            case ["release"]:
                copies = [];
                GC.Collect();
                return "[]";
            default:
                throw new ArgumentException(
                    $"peer: '{string.Join(' ', words)}' is no request; expected hello, limits, " +
                    "prepare, run, write or release, with its arguments after tabs.");
        }
    }

    // Milliseconds of each call.
    private double[] Time(int calls)
    {
        double[] times = new double[calls];
        for (int i = 0; i < calls; i++)
        {
            PeerWork work = copies[next++ % copies.Length];
            long start = Stopwatch.GetTimestamp();
            work.Run();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        return times;
    }

    private static void Describe(Utf8JsonWriter json)
    {
        Assembly library = typeof(Ops.FusedAttention).Assembly;
        json.WriteString("peer", "Transformer");
        json.WriteStartObject("versions");
        json.WriteString("Transformer", library
            .GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion);
        json.WriteString(".NET", Environment.Version.ToString());
        json.WriteEndObject();
    }

    private static string Json(Action<Utf8JsonWriter> write)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(stream.ToArray());
    }

    private static double Number(string text) => double.TryParse(
        text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) && number > 0
        ? number : throw new ArgumentException($"peer: '{text}' is no number above 0.");
}
