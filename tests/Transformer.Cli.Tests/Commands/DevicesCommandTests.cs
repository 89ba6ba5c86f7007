using System.Text.Json;
using Transformer.Backends;
using Transformer.Kernels.Ilgpu;

namespace Transformer.Cli.Tests.Commands;

/// <summary>Backends of an optional package are listed, and run where they are named.</summary>
public sealed class DevicesCommandTests : IDisposable
{
    private const string WhyNot =
#if SWITCHED_OFF
        "built without ILGPU by -p:WithIlgpu=false; build without that property to have it";
#else
        "built without ILGPU, which no configured NuGet feed had; build where one has it";
#endif

    private readonly TemporaryFolder files = new();

    public void Dispose() => files.Dispose();

    [Fact]
    public void Devices_ListsIlgpuOrSaysWhyNot()
    {
        CommandLine.Run("devices", "--json", files["json"]).Succeeded();
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(files["json"]));
        JsonElement[] listed = [.. json.RootElement.GetProperty("backends").EnumerateArray()
            .Where(b => b.GetProperty("name").GetString()!
                .StartsWith("ilgpu-", StringComparison.Ordinal))];
        Assert.Equal(
            ["ilgpu-cuda", "ilgpu-opencl", "ilgpu-cpu"],
            listed.Select(b => b.GetProperty("name").GetString()));
        JsonElement cpu = listed[2];
        Assert.Equal(IlgpuBackends.IsBuilt, cpu.GetProperty("available").GetBoolean());
        JsonElement[] choices =
            [.. json.RootElement.GetProperty("nvidiaDefaults").EnumerateArray()];
        if (!IlgpuBackends.IsBuilt)
        {
            Assert.Equal(WhyNot, cpu.GetProperty("reason").GetString());
            Assert.Empty(choices);
            return;
        }

        Assert.Contains(choices, c => c.GetProperty("op").GetString() == "FusedAttention");
        Assert.All(choices, c => Assert.StartsWith(
            "cuda", c.GetProperty("backend").GetString(), StringComparison.Ordinal));
    }

    [Fact]
    public void Verify_RunsAnEmulationWhereItIsNamed()
    {
        CommandResult unnamed = CommandLine.Run("verify", "--quick", "--op", "Add").Succeeded();
        string[] left = [.. BackendRegistry.All
            .Where(b => b.IsAvailable && b.Priority < 0).Select(b => b.Name)];
        Assert.Equal(
            left.Length > 0,
            unnamed.Output.Contains(
                $"left out, as nobody named it with --backend: {string.Join(", ", left)}",
                StringComparison.Ordinal));
        CommandResult named =
            CommandLine.Run("verify", "--quick", "--op", "Add", "--backend", "ilgpu-cpu");
        Assert.DoesNotContain("left out", named.Output, StringComparison.Ordinal);
        if (IlgpuBackends.IsBuilt) named.Succeeded();
        else Assert.Contains("built without ILGPU", named.Error, StringComparison.Ordinal);
    }
}
