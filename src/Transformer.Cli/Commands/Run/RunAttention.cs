using System.CommandLine;
using Transformer.Backends;
using Transformer.Ops;
using Transformer.Tensors;

namespace Transformer.Cli.Commands.Run;

/// <summary><c>run attention</c>.</summary>
internal sealed class RunAttention
{
    private readonly Option<string> query = RunOptions.Required(
        "--q", "Queries [B, H, S, D], or [B, S, H·D] with --heads.");
    private readonly Option<string> key = RunOptions.Required("--k", "Keys, likewise.");
    private readonly Option<string> value = RunOptions.Required("--v", "Values, likewise.");
    private readonly Option<string?> mask = RunOptions.Optional(
        "--mask", "Booleans, true = may attend, right-aligned to [B, H, Sq, Skv].");
    private readonly Option<string?> bias = RunOptions.Optional(
        "--bias", "Numbers added to the scores, broadcast as the mask.");
    private readonly Option<string?> pastKey = RunOptions.Optional(
        "--past-k", "Keys of the past [B, Hkv, P, D], put before the keys.");
    private readonly Option<string?> pastValue = RunOptions.Optional(
        "--past-v", "Values of the past [B, Hkv, P, Dv].");
    private readonly Option<string?> lengths = RunOptions.Optional(
        "--kv-lengths", "Keys of each sequence [B]; the others are padding.");
    private readonly Option<string> heads = new("--heads")
    {
        Description = "Heads of rank-3 files: Hq, or Hq,Hkv.",
        HelpName = "Hq[,Hkv]",
        DefaultValueFactory = _ => "",
    };

    private readonly Option<string?> causal = new("--causal")
    {
        Description = "Key j is visible to query i where j ≤ i + offset. top-left: 0; " +
            "bottom-right: keys (--kv-lengths if given) minus queries; past: length of --past-k, " +
            "without which it is --kv-lengths minus queries, or 0.",
    };

    private readonly Option<string?> window = new("--window")
    {
        Description = "Keys visible left and right of the own position, which is the query's " +
            "index plus the causal offset, or plus the past; -1 is unbounded.",
        HelpName = "L,R",
    };

    private readonly NumberOption<double> scale = new("--scale")
    {
        Description = "Multiplies q·k; 0, the default, means 1/√D.",
    };

    private readonly NumberOption<double> softCap = new("--soft-cap")
    {
        Description = "c of c·tanh(score/c); 0, the default, means none.",
    };

    private readonly Option<string?> scores = new("--scores")
    {
        Description = "Scores to write: raw, capped, masked or probabilities.",
    };

    private readonly Option<string?> scoresOut = RunOptions.Optional(
        "--scores-out", "Receives the scores [B, Hq, Sq, Skv].");
    private readonly Option<string?> lseOut = RunOptions.Optional(
        "--lse-out", "Receives the log-sum-exp [B, Hq, Sq].");
    private readonly Option<string?> presentKeyOut = RunOptions.Optional(
        "--present-k-out", "Receives past and new keys [B, Hkv, S, D].");
    private readonly Option<string?> presentValueOut = RunOptions.Optional(
        "--present-v-out", "Receives past and new values [B, Hkv, S, Dv].");
    private readonly Option<string> output = RunOptions.Required("--out", "Receives the output.");
    private readonly AttentionTermOptions terms = new();

    /// <summary>Makes the command.</summary>
    public static Command Create()
    {
        RunAttention options = new();
        options.causal.AcceptOnlyFromAmong("top-left", "bottom-right", "past");
        options.scores.AcceptOnlyFromAmong("raw", "capped", "masked", "probabilities");
        Command command = new("attention", "Fused attention on .npy files.")
        {
            options.query, options.key, options.value, options.mask, options.bias,
            options.pastKey, options.pastValue, options.lengths, options.heads, options.causal,
            options.window, options.scale, options.softCap, options.scores, options.scoresOut,
            options.lseOut, options.presentKeyOut, options.presentValueOut, options.output,
        };
        options.terms.AddTo(command);
        RunOptions common = new(command);
        command.SetAction(parsed => options.Run(parsed, common));
        return command;
    }

    private int Run(ParseResult parsed, RunOptions common)
    {
        using NpyTensors files = common.Open(parsed, out Backend backend);
        (int? queryHeads, int? keyHeads) = Heads(parsed.GetRequiredValue(heads));
        HeadedTensor q = Read(files, parsed.GetRequiredValue(query), "--q", queryHeads);
        HeadedTensor k = Read(files, parsed.GetRequiredValue(key), "--k", keyHeads);
        HeadedTensor v = Read(files, parsed.GetRequiredValue(value), "--v", keyHeads);
        DType keyType = files.TypeOf(k.Tensor), valueType = files.TypeOf(v.Tensor);
        int past = Prepend(parsed, files, ref k, ref v);
        AttentionSizes sizes = Sizes(q, k, v);
        AttentionInputs inputs = Inputs(parsed, files, q, k, v, sizes, past);
        long[] rows = [sizes.Batch, sizes.QueryHeads, sizes.QueryLength];
        Tensor result = files.Result(q.Packed
            ? [sizes.Batch, sizes.QueryLength, (long)sizes.QueryHeads * sizes.ValueDimension]
            : [.. rows, sizes.ValueDimension]);
        string? scoresPath = parsed.GetValue(scoresOut), lsePath = parsed.GetValue(lseOut);
        Tensor? scoreTensor = files.ResultFor(scoresPath, [.. rows, sizes.KeyLength]);
        Tensor? lse = files.ResultFor(lsePath, rows);
        common.ForWork(parsed, backend, Work(sizes)).Run(new AttentionForward
        {
            Inputs = inputs,
            Output = result.View,
            LogSumExp = lse.ViewOrAbsent(),
            Scores = scoreTensor.ViewOrAbsent(),
            ScoreOutput = Scores(parsed.GetValue(scores), scoresPath),
        });
        files.Save(parsed.GetValue(output), result);
        files.Save(scoresPath, scoreTensor);
        files.Save(lsePath, lse, DType.Float32);
        files.Save(parsed.GetValue(presentKeyOut), k.HeadMajor(files).Tensor, keyType);
        files.Save(parsed.GetValue(presentValueOut), v.HeadMajor(files).Tensor, valueType);
        return Application.Done;
    }

    private AttentionInputs Inputs(
        ParseResult parsed, NpyTensors files, in HeadedTensor q, in HeadedTensor k,
        in HeadedTensor v, AttentionSizes sizes, int past)
    {
        Tensor? maskTensor = files.Booleans(parsed.GetValue(mask), "--mask");
        Tensor? biasTensor = files.Floats(parsed.GetValue(bias), "--bias");
        Tensor? keyLengths = files.Integers(parsed.GetValue(lengths), "--kv-lengths");
        if (keyLengths is not null)
        {
            files.RequireShape(keyLengths, "--kv-lengths", new(sizes.Batch),
                $"for --q {q.Tensor.Shape}, one number a sequence");
        }

        return terms.Read(parsed, files, new AttentionInputs
        {
            Query = q.Tensor.View,
            Key = k.Tensor.View,
            Value = v.Tensor.View,
            QueryStrides = q.Strides,
            KeyStrides = k.Strides,
            ValueStrides = v.Strides,
            OutputStrides = q.Packed
                ? AttentionStrides.SequenceMajor(
                    sizes.QueryHeads, sizes.QueryLength, sizes.ValueDimension)
                : default,
            Mask = maskTensor.ViewOrAbsent(),
            MaskLayout = Layout(maskTensor, sizes),
            Bias = biasTensor.ViewOrAbsent(),
            BiasLayout = Layout(biasTensor, sizes),
            KeyLengths = keyLengths.ViewOrAbsent(),
            Sizes = sizes,
            Options = new AttentionOptions
            {
                Scale = parsed.GetValue(scale),
                SoftCap = parsed.GetValue(softCap),
                Causal = Alignment(parsed, keyLengths),
                PastLength = past,
                Window = Window(parsed.GetValue(window)),
            },
        });
    }

    private static HeadedTensor Read(NpyTensors files, string path, string option, int? heads)
    {
        Tensor tensor = files.RequiredFloats(path, option);
        files.RequireRank(tensor, option, 3, 4);
        return HeadedTensor.Of(tensor, option, heads);
    }

    private int Prepend(
        ParseResult parsed, NpyTensors files, ref HeadedTensor k, ref HeadedTensor v)
    {
        Tensor? keys = files.Floats(parsed.GetValue(pastKey), "--past-k");
        Tensor? values = files.Floats(parsed.GetValue(pastValue), "--past-v");
        if (keys is null != values is null)
        {
            throw new ArgumentException(
                "run attention: --past-k and --past-v go together. Give both or neither.");
        }

        if (keys is null || values is null) return 0;
        if (keys.Shape.Rank != 4 || values.Shape.Rank != 4 || keys.Shape[2] != values.Shape[2])
        {
            throw new ArgumentException($"run attention: --past-k has shape {keys.Shape} and " +
                $"--past-v {values.Shape}; expected [B, Hkv, P, D] and [B, Hkv, P, Dv]. Reshape " +
                "them, or cut one to the other's P.");
        }

        k = k.Prepend(files, keys, "--past-k");
        v = v.Prepend(files, values, "--past-v");
        return checked((int)keys.Shape[2]);
    }

    private static AttentionSizes Sizes(in HeadedTensor q, in HeadedTensor k, in HeadedTensor v)
    {
        bool fits = q.Batch == k.Batch && k.Batch == v.Batch && k.Heads == v.Heads &&
            k.Length == v.Length && q.Dimension == k.Dimension;
        if (!fits)
        {
            throw new ArgumentException($"run attention: --q {q.Tensor.Shape}, --k " +
                $"{k.Tensor.Shape} and --v {v.Tensor.Shape} do not fit. Batch must be equal in " +
                "all, heads and length in k and v, head dimension in q and k.");
        }

        return new(
            q.Batch, q.Heads, k.Heads, q.Length, k.Length, q.Dimension, v.Dimension);
    }

    private static long Work(AttentionSizes sizes) =>
        (long)sizes.Batch * sizes.QueryHeads * sizes.QueryLength * sizes.KeyLength *
        (sizes.HeadDimension + sizes.ValueDimension);

    private static AttentionMaskLayout Layout(Tensor? tensor, AttentionSizes sizes) =>
        tensor is null ? default : AttentionMaskLayout.FromShape(tensor.Shape, sizes);

    private CausalAlignment Alignment(ParseResult parsed, Tensor? keyLengths)
    {
        // Keys of a cache that lies outside end with the new ones: lengths[b] − Sq are the past.
        bool outside = keyLengths is not null && parsed.GetValue(pastKey) is null;
        return parsed.GetValue(causal) switch
        {
            "top-left" => CausalAlignment.TopLeft,
            "bottom-right" => CausalAlignment.BottomRight,
            "past" => outside ? CausalAlignment.BottomRight : CausalAlignment.Past,
            _ => CausalAlignment.None,
        };
    }

    private static ScoreOutput Scores(string? name, string? path)
    {
        if (name is null != path is null)
        {
            throw new ArgumentException(
                "run attention: --scores and --scores-out go together. Give both or neither.");
        }

        return name switch
        {
            "raw" => ScoreOutput.Raw,
            "capped" => ScoreOutput.Capped,
            "masked" => ScoreOutput.Masked,
            "probabilities" => ScoreOutput.Probabilities,
            _ => ScoreOutput.None,
        };
    }

    private static AttentionWindow? Window(string? text)
    {
        if (text is null) return null;
        int[] sides = NumberList.Parse("run attention: --window", text, "L,R", 2, 2);
        return new(sides[0], sides[1]);
    }

    private static (int? Query, int? KeyValue) Heads(string text)
    {
        if (text.Length == 0) return (null, null);
        int[] counts = NumberList.Parse("run attention: --heads", text, "Hq or Hq,Hkv", 1, 2);
        return (counts[0], counts[^1]);
    }
}
