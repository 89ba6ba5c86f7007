using System.Text.Json;
using Transformer.Backends;
using Transformer.Models.Graph;
using Transformer.Models.Interchange;
using Transformer.Models.Layers;
using Transformer.Models.Tests.Interchange;
using Transformer.Models.Text;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Models.Tests.HuggingFace;

/// <summary>MarianMTModel against PyTorch, and its tokenizers against SentencePiece.</summary>
public sealed class MarianImportTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("simd")]
    [InlineData("reference")]
    public void Logits_MatchTorch_ImportedExportedAndImportedAgain(string backend)
    {
        using ForeignModel source = new("marian");
        string imported = folder.File("imported"), exported = folder.File("exported"),
            again = folder.File("again");
        ConvertedModel model = Transformer.Models.HuggingFace.Import(source.Folder, imported);
        Assert.Equal("MarianMTModel", model.Kind);
        Assert.True(model.HasTokenizer);
        AssertLogits(source, imported, backend);
        Transformer.Models.HuggingFace.Export(imported, exported, new() { MaxFileBytes = 20000 });
        Assert.True(File.Exists(Path.Combine(exported, "model.safetensors.index.json")));
        Transformer.Models.HuggingFace.Import(exported, again);
        AssertLogits(source, again, backend);
    }

    [Fact]
    public void ExportedWeights_AreThoseImported()
    {
        using ForeignModel source = new("marian");
        Transformer.Models.HuggingFace.Import(source.Folder, folder.File("imported"));
        Transformer.Models.HuggingFace.Export(folder.File("imported"), folder.File("exported"));
        using SafeTensorsSet before = Weights(source.Folder);
        using SafeTensorsSet after = Weights(folder.File("exported"));
        Assert.Equal(before.Tensors.Keys.Where(name => name != "lm_head.weight").Order(),
            after.Tensors.Keys.Order());
        foreach (string name in after.Tensors.Keys)
        {
            Assert.Equal(before.Tensors[name].Shape, after.Tensors[name].Shape);
            float[] expected = before.ToSingles(name), actual = after.ToSingles(name);
            if (name.EndsWith("embed_positions.weight", StringComparison.Ordinal))
            {
                // Sines of the same angles, computed by others.
                for (int i = 0; i < actual.Length; i++) Assert.Equal(expected[i], actual[i], 1e-6);
            }
            else
            {
                Assert.Equal(expected, actual);
            }
        }

        foreach (string file in (string[])["vocab.json", "source.spm", "target.spm"])
        {
            Assert.Equal(File.ReadAllBytes(Path.Combine(source.Folder, file)),
                File.ReadAllBytes(Path.Combine(folder.File("exported"), file)));
        }
    }

    [Fact]
    public void Config_ComesBack()
    {
        using ForeignModel source = new("marian");
        Transformer.Models.HuggingFace.Import(source.Folder, folder.File("imported"));
        Transformer.Models.HuggingFace.Export(folder.File("imported"), folder.File("exported"));
        using JsonDocument before = Json(source.Folder), after = Json(folder.File("exported"));
        foreach (JsonProperty field in after.RootElement.EnumerateObject())
        {
            // Both are left out where they have their usual values.
            if (field.Name is "decoder_vocab_size" or "share_encoder_decoder_embeddings"
                or "tie_word_embeddings") continue;
            Assert.True(JsonElement.DeepEquals(
                before.RootElement.GetProperty(field.Name), field.Value), field.Name);
        }
    }

    [Fact]
    public void Greedy_GivesTheTokensOfTorch()
    {
        using ForeignModel source = new("marian");
        Transformer.Models.HuggingFace.Import(source.Folder, folder.File("imported"));
        using Seq2SeqTransformer model =
            Seq2SeqTransformer.Load(folder.File("imported"), BackendRegistry.Cpu);
        int[] all = source.Ints("source"), lengths = source.Ints("lengths");
        int[][] sources = [.. lengths.Select((n, row) => all[(9 * row)..((9 * row) + n)])];
        int[][] ids = model.Greedy(sources, new() { MaxLength = 12 });
        for (int row = 0; row < 2; row++)
        {
            Assert.Equal(
                source.Ints($"greedy.{row}").Where(id => id != model.Config.EosId), ids[row]);
        }
    }

    [Theory]
    [InlineData("source")]
    [InlineData("target")]
    public void Tokenizers_CutAsSentencePieceDoes(string side)
    {
        using ForeignModel source = new("marian");
        Transformer.Models.HuggingFace.Import(source.Folder, folder.File("imported"));
        using Translator translator = Translator.Load(folder.File("imported"));
        ITokenizer tokenizer =
            side == "source" ? translator.SourceTokenizer : translator.TargetTokenizer;
        using JsonDocument expected = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(source.Folder, "expected_pieces.json")));
        foreach (JsonElement row in expected.RootElement.GetProperty(side).EnumerateArray())
        {
            int[] ids = tokenizer.Encode(row.GetProperty("text").GetString()!);
            Assert.Equal(row.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()), ids);
            Assert.Equal(row.GetProperty("decoded").GetString(), tokenizer.Decode(
                [.. ids.Where(id => id != tokenizer.Special.Unknown)]));
        }

        Assert.NotEmpty(translator.Translate("I am a student"));
    }

    [Fact]
    public void Tables_LeftOutOrOfOtherNumbers_AreSinusoidsOrLearned()
    {
        using ForeignModel source = new("marian");
        string without = source.CopyTo(folder.File("without"));
        Rewrite(without, (name, values) => name.Contains("embed_positions") ? null : values);
        Transformer.Models.HuggingFace.Import(without, folder.File("a"));
        Assert.Equal((PositionKind.Sinusoidal, true), Kind("a"));
        AssertLogits(source, folder.File("a"), "simd");

        string other = source.CopyTo(folder.File("other"));
        Rewrite(other, (name, values) => name.Contains("embed_positions")
            ? [.. values.Select(x => 2 * x)] : values);
        Transformer.Models.HuggingFace.Import(other, folder.File("b"));
        Assert.Equal((PositionKind.Learned, false), Kind("b"));
        Transformer.Models.HuggingFace.Export(folder.File("b"), folder.File("c"));
        using SafeTensorsSet before = Weights(other), after = Weights(folder.File("c"));
        const string Table = "model.decoder.embed_positions.weight";
        Assert.Equal(before.ToSingles(Table), after.ToSingles(Table));

        (PositionKind, bool) Kind(string name)
        {
            Seq2SeqConfig config = Seq2SeqConfig.Load(
                Path.Combine(folder.File(name), Seq2SeqTransformer.ConfigFile));
            return (config.Positions, config.HalvedSinusoids);
        }
    }

    /// <summary>Sines in half precision are sines.</summary>
    [Theory]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    public void HalfPrecision_KeepsSinusoids(DType type)
    {
        using ForeignModel source = new("marian");
        string half = source.CopyTo(folder.File("half"));
        Rewrite(half, (_, values) => values, type);
        Transformer.Models.HuggingFace.Import(half, folder.File("imported"));
        Seq2SeqConfig config = Seq2SeqConfig.Load(
            Path.Combine(folder.File("imported"), Seq2SeqTransformer.ConfigFile));
        Assert.Equal(PositionKind.Sinusoidal, config.Positions);
        Assert.True(config.HalvedSinusoids);
    }

    /// <summary>Text is cut into SentencePiece's pieces first; those that vocab.json lacks are
    /// unknown then.</summary>
    [Theory]
    [InlineData("source")]
    [InlineData("target")]
    public void PiecesWithoutId_AreUnknown_WithTheirText(string side)
    {
        using ForeignModel source = new("marian");
        string[] dropped = ["\u2581a", "st", "\u2581долж", "\u2581книг"];
        string other = source.CopyTo(folder.File("other"));
        string file = Path.Combine(other, "vocab.json");
        Dictionary<string, int> ids = JsonSerializer.Deserialize<Dictionary<string, int>>(
            File.ReadAllBytes(file))!;
        int[] lost = [.. dropped.Where(ids.ContainsKey).Select(piece => ids[piece])];
        Assert.True(lost.Length >= 2, $"{lost.Length} pieces of this name");
        foreach (string piece in dropped.Where(ids.ContainsKey).ToArray())
        {
            ids[$"{piece}<lost>"] = ids[piece];
            ids.Remove(piece);
        }

        File.WriteAllText(file, JsonSerializer.Serialize(ids));
        Transformer.Models.HuggingFace.Import(other, folder.File("imported"));
        using Translator translator = Translator.Load(folder.File("imported"));
        ITokenizer tokenizer =
            side == "source" ? translator.SourceTokenizer : translator.TargetTokenizer;
        using JsonDocument expected = JsonDocument.Parse(
            File.ReadAllBytes(Path.Combine(source.Folder, "expected_pieces.json")));
        int unknown = 0;
        foreach (JsonElement row in expected.RootElement.GetProperty(side).EnumerateArray())
        {
            string text = row.GetProperty("text").GetString()!;
            int[] all = [.. row.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32())];
            int[] known =
                [.. all.Select(id => lost.Contains(id) ? tokenizer.Special.Unknown : id)];
            unknown += all.Count(lost.Contains);
            Assert.Equal(known, tokenizer.Encode(text));
            Assert.Equal(known, tokenizer.Tokenize(text).Ids);
        }

        Assert.True(unknown > 0, "no text has a lost piece");
    }

    [Theory]
    [InlineData("\"normalize_before\": false", "\"normalize_before\": true", "'normalize_before'")]
    [InlineData("\"swish\"", "\"mish\"", "'activation_function' is \"mish\"")]
    [InlineData("\"scale_embedding\": true", "\"scale_embedding\": false", "'scale_embedding'")]
    [InlineData("\"decoder_ffn_dim\": 20", "\"decoder_ffn_dim\": 24",
        "'encoder_ffn_dim' is 20 and 'decoder_ffn_dim' is 24")]
    [InlineData("\"decoder_layers\": 2", "\"decoder_layers\": 3",
        "has no tensor 'model.decoder.layers.2.self_attn.q_proj.weight'")]
    [InlineData("\"max_position_embeddings\": 24", "\"max_position_embeddings\": 25",
        "'model.encoder.embed_positions.weight' has shape [24, 12]")]
    public void OtherModels_AreRefusedByField(string from, string to, string told)
    {
        using ForeignModel source = new("marian");
        string damaged = source.CopyTo(folder.File("damaged"));
        string config = Path.Combine(damaged, "config.json"), text = File.ReadAllText(config);
        Assert.Contains(from, text, StringComparison.Ordinal);
        File.WriteAllText(config, text.Replace(from, to, StringComparison.Ordinal));
        InvalidDataException e = Assert.Throws<InvalidDataException>(
            () => Transformer.Models.HuggingFace.Import(damaged, folder.File("imported")));
        Assert.Contains(told, e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void TrainedTranslators_AreExportedWhereTheyFit()
    {
        Seq2SeqConfig config = new()
        {
            SourceVocabulary = 30, TargetVocabulary = 30, Width = 16, Heads = 2,
            FeedForwardWidth = 24, MaxPositions = 12, TieEmbeddings = true,
        };
        using (Seq2SeqTransformer pre = new(config, BackendRegistry.Cpu, 3))
            pre.Save(folder.File("pre"));
        NotSupportedException e = Assert.Throws<NotSupportedException>(() =>
            Transformer.Models.HuggingFace.Export(folder.File("pre"), folder.File("no")));
        Assert.EndsWith("has norms after the residual sums (--norm post). Train a model that has " +
            "them.", e.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder.File("no")));

        config = config with { Norm = NormPlacement.Post, Activation = Activation.Gelu };
        using Seq2SeqTransformer model = new(config, BackendRegistry.Cpu, 3);
        model.Save(folder.File("post"));
        Transformer.Models.HuggingFace.Export(folder.File("post"), folder.File("marian"));
        Transformer.Models.HuggingFace.Import(folder.File("marian"), folder.File("back"));
        using Seq2SeqTransformer back =
            Seq2SeqTransformer.Load(folder.File("back"), BackendRegistry.Cpu);
        Assert.Equal(config with { OutputBias = true }, back.Config);
        int[][] sources = [[5, 6, 7, 3], [20, 3]];
        Assert.Equal(model.Greedy(sources), back.Greedy(sources));
    }

    [Fact]
    public void DamagedPieces_AreOneClearLine()
    {
        using ForeignModel source = new("marian");
        string damaged = source.CopyTo(folder.File("damaged"));
        string file = Path.Combine(damaged, "source.spm");
        byte[] good = File.ReadAllBytes(file);
        Random random = new(5);
        int refused = 0;
        for (int round = 0; round < 400; round++)
        {
            byte[] bad = round < good.Length ? good[..round] : [.. good];
            for (int i = 0; i < 3 && bad.Length > 0 && round % 2 == 1; i++)
                bad[random.Next(bad.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(file, bad);
            try
            {
                SentencePieceFile.Open(file);
            }
            catch (InvalidDataException e)
            {
                refused++;
                Assert.Contains("source.spm", e.Message, StringComparison.Ordinal);
                Assert.DoesNotContain('\n', e.Message);
            }
        }

        // A cut between two pieces is a shorter model.
        Assert.InRange(refused, 200, 400);
    }

    private static void AssertLogits(ForeignModel source, string path, string backend)
    {
        using Seq2SeqTransformer model =
            Seq2SeqTransformer.Load(path, BackendRegistry.Find(backend));
        CompiledGraph graph = model.EvaluationGraph(2, 9, 6);
        graph.Feed<int>("source", source.Ints("source"));
        graph.Feed<int>("sourceLengths", source.Ints("lengths"));
        graph.Feed<int>("target", source.Ints("target"));
        graph.Feed<int>("labels", new int[2 * 6]);
        graph.Forward();
        source.AssertOutput(graph, "logits", "logits");
    }

    private static SafeTensorsSet Weights(string folder) =>
        SafeTensorsSet.Open(Path.Combine(folder, Seq2SeqTransformer.WeightsFile));

    private static JsonDocument Json(string folder) => JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(folder, Seq2SeqTransformer.ConfigFile)));

    /// <summary>Changes the tensors of a folder; null leaves one out.</summary>
    private static void Rewrite(string folder, Func<string, float[], float[]?> change,
        DType type = DType.Float32)
    {
        string path = Path.Combine(folder, Seq2SeqTransformer.WeightsFile);
        SafeTensorsWriter writer = new();
        using (SafeTensorsSet file = SafeTensorsSet.Open(path))
        {
            foreach ((string name, SafeTensorInfo info) in file.Tensors)
            {
                if (change(name, file.ToSingles(name)) is not { } values) continue;
                long[] shape = [.. info.Shape];
                if (type == DType.Float16)
                    writer.Add<Half>(name, Array.ConvertAll(values, x => (Half)x), shape);
                else if (type == DType.BFloat16)
                    writer.Add<BFloat16>(name, Array.ConvertAll(values, x => (BFloat16)x), shape);
                else
                    writer.Add<float>(name, values, shape);
            }
        }

        writer.Write(path);
    }
}
