using System.Text;
using Transformer.Models.Interchange;
using Transformer.Tensors;

namespace Transformer.Models.Tests.Interchange;

public sealed class NpyFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static string Sample(string name) =>
        Path.Combine(AppContext.BaseDirectory, "Interchange", name + ".npy");

    [Fact]
    public void Read_TakesWhatNumPyWrote()
    {
        NpyArray matrix = NpyFile.Read(Sample("f4_matrix"));
        Assert.Equal(DType.Float32, matrix.DType);
        Assert.Equal([2L, 3L], matrix.Shape);
        Assert.Equal([1.5f, -2, 0.25f, 3, 1e30f, -0.0f], matrix.ToSingles());
        Assert.Equal(0x80000000, BitConverter.SingleToUInt32Bits(matrix.ToSingles()[5]));
        Assert.Equal([1.5f, -65504, (float)(Half)6e-8f],
            NpyFile.Read(Sample("f2_vector")).ToSingles());
        Assert.Equal([7], NpyFile.Read(Sample("i4_vector")).ToInt32());
        Assert.Equal([0, 128, 255], NpyFile.Read(Sample("u1_version2")).ToInt32());
        Assert.Equal([true, false], NpyFile.Read(Sample("b1_version3")).ToBooleans());
    }

    [Fact]
    public void Read_TransposesFortranOrder()
    {
        NpyArray array = NpyFile.Read(Sample("f8_fortran"));
        Assert.Equal([2L, 3L, 2L], array.Shape);
        Assert.Equal(Enumerable.Range(0, 12).Select(i => (float)i), array.ToSingles());
    }

    [Fact]
    public void Read_ScalarAndEmpty()
    {
        NpyArray scalar = NpyFile.Read(Sample("i8_scalar"));
        Assert.Empty(scalar.Shape);
        Assert.Equal(1, scalar.Length);
        var error = Assert.Throws<InvalidDataException>(() => scalar.ToInt32());
        Assert.Contains("element 0 is -5000000000", error.Message);
        NpyArray empty = NpyFile.Read(Sample("f4_empty"));
        Assert.Equal([0L, 3L], empty.Shape);
        Assert.Empty(empty.ToSingles());
    }

    [Fact]
    public void Read_UInt16OnlyAsBFloat16()
    {
        NpyArray array = NpyFile.Read(Sample("u2_bfloat16"), asBFloat16: true);
        Assert.Equal([1f, -3f], array.ToSingles());
        Assert.Throws<InvalidDataException>(() => NpyFile.Read(Sample("u2_bfloat16")));
    }

    [Fact]
    public void Read_RefusesBigEndianWithTheRemedy()
    {
        var error =
            Assert.Throws<InvalidDataException>(() => NpyFile.Read(Sample("f4_big_endian")));
        Assert.Contains("f4_big_endian.npy", error.Message);
        Assert.Contains("a.astype('<f4')", error.Message);
    }

    [Fact]
    public void Write_GivesNumPysBytes()
    {
        string path = folder.File("a.npy");
        NpyFile.Write<float>(path, [1.5f, -2, 0.25f, 3, 1e30f, -0.0f], [2, 3]);
        Assert.Equal(File.ReadAllBytes(Sample("f4_matrix")), File.ReadAllBytes(path));
        NpyFile.Write<int>(path, [7], [1]);
        Assert.Equal(File.ReadAllBytes(Sample("i4_vector")), File.ReadAllBytes(path));
        NpyFile.Write<long>(path, [-5_000_000_000], []);
        Assert.Equal(File.ReadAllBytes(Sample("i8_scalar")), File.ReadAllBytes(path));
        NpyFile.Write<BFloat16>(path, [(BFloat16)1f, (BFloat16)(-3f)], [2]);
        Assert.Equal(File.ReadAllBytes(Sample("u2_bfloat16")), File.ReadAllBytes(path));
        NpyFile.Write<float>(path, [], [0, 3]);
        Assert.Equal(File.ReadAllBytes(Sample("f4_empty")), File.ReadAllBytes(path));
        Assert.Equal(["a.npy"], folder.Names());
    }

    [Fact]
    public void Write_RefusesAShapeThatDoesNotFit()
    {
        string path = folder.File("a.npy");
        Assert.Throws<ArgumentException>(() => NpyFile.Write<float>(path, new float[5], [2, 3]));
        Assert.Throws<ArgumentException>(() => NpyFile.Write<float>(path, [], [-1, 0]));
        Assert.Throws<ArgumentException>(
            () => NpyFile.Write<float>(path, [1], [1L << 62, 1L << 62]));
        Assert.Empty(folder.Names());
    }

    [Theory]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", null)]
    [InlineData("{\"shape\":(2,),\"fortran_order\":False,\"descr\":\"<f4\"}", null)]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }", "8 data bytes")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }", "8 data bytes")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2), }", "expected a tuple")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }", "whole number")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999,), }",
        "2⁶³")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
        "overflows")]
    [InlineData("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,), }", "True or False")]
    [InlineData("{'descr': '<c8', 'fortran_order': False, 'shape': (1,), }", "type '<c8'")]
    [InlineData("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }", "a string")]
    [InlineData("{'descr': '<f4', 'shape': (2,), }", "missing")]
    [InlineData("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,), }",
        "twice")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", "unknown key")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), } x", "unexpected text")]
    [InlineData("{'descr': '<f4", "without end")]
    [InlineData("", "expected '{'")]
    public void Header_EveryFaultIsNamed(string header, string? fault)
    {
        byte[] text = Encoding.Latin1.GetBytes(header + "\n");
        string path = folder.File("header.npy");
        File.WriteAllBytes(path, [0x93, .. "NUMPY"u8, 1, 0, (byte)text.Length, 0, .. text,
            .. new byte[8]]);
        if (fault is null)
        {
            Assert.Equal([0f, 0f], NpyFile.Read(path).ToSingles());
            return;
        }
        var error = Assert.Throws<InvalidDataException>(() => NpyFile.Read(path));
        Assert.Contains(fault, error.Message);
        Assert.Contains("header.npy", error.Message);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Read_MissingFileAndFolder()
    {
        Assert.Throws<FileNotFoundException>(() => NpyFile.Read(folder.File("none.npy")));
        Assert.Throws<IOException>(() => NpyFile.Read(folder.Path));
    }

    [Fact]
    public void WrongType_IsNamed()
    {
        var error = Assert.Throws<InvalidDataException>(
            () => NpyFile.Read(Sample("i4_vector")).ToSingles());
        Assert.Contains("holds Int32; expected a real type", error.Message);
        Assert.Throws<InvalidDataException>(() => NpyFile.Read(Sample("f4_matrix")).ToInt32());
        Assert.Throws<InvalidDataException>(() => NpyFile.Read(Sample("f4_matrix")).ToBooleans());
    }
}
