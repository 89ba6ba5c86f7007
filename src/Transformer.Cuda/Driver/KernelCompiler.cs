using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Transformer.Cuda.Driver;

/// <summary>Compiles CUDA C to PTX by NVRTC, and keeps what came of it in a folder of the user's.
/// </summary>
/// <param name="folder">Where PTX is kept; one that cannot be written is done without.</param>
internal sealed unsafe class KernelCompiler(string folder)
{
    /// <summary>Where programs of this user keep what they can make again.</summary>
    public static string DefaultFolder
    {
        get
        {
            string? cache = OperatingSystem.IsWindows() ? null
                : Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } named
                    ? named
                    : Path.Combine(Environment.GetFolderPath(
                        Environment.SpecialFolder.UserProfile), ".cache");
            return Path.Combine(cache ?? Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData), "transformer", "cuda");
        }
    }

    /// <summary>PTX of a source for a device.</summary>
    /// <param name="name">The source's name, for messages.</param>
    /// <param name="source">One text that includes nothing.</param>
    /// <param name="computeCapability">Ten times the major plus the minor number.</param>
    /// <exception cref="NotSupportedException">There is no NVRTC, or it rejects the source.
    /// </exception>
    public byte[] Compile(string name, string source, int computeCapability)
    {
        if (NvrtcLibrary.Load() is { } absent)
        {
            throw new NotSupportedException($"CUDA: '{name}' must be compiled by NVRTC, and " +
                $"{absent}. Install a CUDA toolkit, or name its library in " +
                $"{NvrtcLibrary.Variable}.");
        }

        Check(NvrtcApi.nvrtcVersion(out int major, out int minor), name);
        string target = Target(name, computeCapability);
        string version = string.Create(CultureInfo.InvariantCulture, $"{major}.{minor}");
        string hash = Convert.ToHexStringLower(SHA256.HashData(
            Encoding.UTF8.GetBytes($"{version}\n{target}\n{source}")));
        string path = Path.Combine(folder, $"{name}.{target}.{hash[..32]}.ptx");
        if (TryRead(path) is { } kept) return kept;
        byte[] ptx = Build(name, source, target);
        Keep(path, ptx);
        return ptx;
    }

    // The device's own architecture, or the newest that this NVRTC knows below it. 9.0 has
    // instructions that are its alone.
    private static string Target(string name, int computeCapability)
    {
        Check(NvrtcApi.nvrtcGetNumSupportedArchs(out int count), name);
        int[] known = new int[count];
        fixed (int* first = known) Check(NvrtcApi.nvrtcGetSupportedArchs(first), name);
        int best = known.Where(k => k <= computeCapability).DefaultIfEmpty(0).Max();
        if (best == 0)
        {
            throw new NotSupportedException($"CUDA: NVRTC compiles '{name}' for none of the " +
                $"architectures up to {computeCapability}. Install an older CUDA toolkit.");
        }

        string own = best == 90 && computeCapability == 90 ? "a" : "";
        return string.Create(CultureInfo.InvariantCulture, $"compute_{best}{own}");
    }

    private static byte[] Build(string name, string source, string target)
    {
        nint program = 0;
        fixed (byte* text = Utf8(source), title = Utf8(name + ".cu"),
            architecture = Utf8($"--gpu-architecture={target}"), standard = Utf8("--std=c++17"),
            device = Utf8("--device-as-default-execution-space")) // of lambdas, too
        {
            Check(NvrtcApi.nvrtcCreateProgram(out program, text, title, 0, null, null), name);
            try
            {
                byte** options = stackalloc byte*[] { architecture, standard, device };
                int status = NvrtcApi.nvrtcCompileProgram(program, 3, options);
                if (status != 0) Check(status, name, Log(program));
                Check(NvrtcApi.nvrtcGetPTXSize(program, out nuint bytes), name);
                byte[] ptx = new byte[(int)bytes];
                fixed (byte* first = ptx) Check(NvrtcApi.nvrtcGetPTX(program, first), name);
                return ptx.AsSpan().TrimEnd((byte)0).ToArray();
            }
            finally
            {
                _ = NvrtcApi.nvrtcDestroyProgram(ref program);
            }
        }
    }

    private static string Log(nint program)
    {
        if (NvrtcApi.nvrtcGetProgramLogSize(program, out nuint bytes) != 0) return "";
        byte[] log = new byte[(int)bytes];
        fixed (byte* first = log)
        {
            if (NvrtcApi.nvrtcGetProgramLog(program, first) != 0) return "";
        }

        return Encoding.UTF8.GetString(log).TrimEnd('\0').Trim().ReplaceLineEndings(" ");
    }

    private static void Check(int status, string name, string log = "")
    {
        if (status == 0) return;
        string text = Marshal.PtrToStringUTF8((nint)NvrtcApi.nvrtcGetErrorString(status)) ?? "";
        string said = log.Length > 0 ? $": {log}" : "";
        throw new NotSupportedException(
            $"CUDA: NVRTC cannot compile '{name}': {text} ({status}){said}. " +
            "Build the library where clang 16 or nvcc is found.");
    }

    private static byte[]? TryRead(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllBytes(path) : null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // Written beside and renamed: processes that start together find nothing or all of it.
    private static void Keep(string path, byte[] ptx)
    {
        string beside = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            using (FileStream file = new(beside, FileMode.CreateNew))
            {
                file.Write(ptx);
                file.Flush(flushToDisk: true);
            }

            File.Move(beside, path, overwrite: true);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // It will be compiled again.
        }
    }

    private static byte[] Utf8(string text) => [.. Encoding.UTF8.GetBytes(text), 0];
}
