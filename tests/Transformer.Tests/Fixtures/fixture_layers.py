"""Normalisation, activations, linear, feed-forward, embedding, whole layers and nn.Transformer."""
import torch
from torch import nn
from torch.nn import functional as F

from fixture_file import FixtureFile, real

ACTIVATIONS = {
    "identity": lambda x: x,
    "relu": F.relu,
    "gelu_exact": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


def rms(x, weight, epsilon):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + epsilon) * weight


def normalisation():
    file = FixtureFile("layer_norm", "LayerNorm over the last axis, epsilon 1e-5. With `residual` "
                       "the output is norm(x + residual); `d_x` and `d_residual` are then equal.",
                       31)
    for name, affine, residual, mean in (("affine", True, False, 0.0), ("plain", False, False, 0.0),
                                         ("residual", True, True, 0.0),
                                         ("large_mean", True, False, 1000.0)):
        case = file.case(name)
        x = case.leaf("x", (real(2, 5, 11) + mean).float().double())
        total = x + case.leaf("residual", real(2, 5, 11)) if residual else x
        weight = case.leaf("weight", (1 + real(11) / 4).float().double()) if affine else None
        bias = case.leaf("bias", real(11)) if affine else None
        variance, average = torch.var_mean(total, -1, unbiased=False)
        case.result("mean", average)
        case.result("inverse_deviation", torch.rsqrt(variance + 1e-5))
        case.backward(F.layer_norm(total, (11,), weight, bias, eps=1e-5), "y")
    yield file

    file = FixtureFile("rms_norm", "y = x / √(mean(x²) + 1e-5) · weight over the last axis.", 32)
    for name in ("affine", "residual"):
        case = file.case(name)
        x = case.leaf("x", real(2, 5, 11))
        total = x + case.leaf("residual", real(2, 5, 11)) if name == "residual" else x
        weight = case.leaf("weight", (1 + real(11) / 4).float().double())
        case.backward(rms(total, weight, 1e-5), "y")
    yield file


def activations():
    file = FixtureFile("activation", "Element-wise activations on a grid from −8 to 8 and on "
                       "zeros, tiny and large values. `derivative` is dy/dx; `d_x` = `d_y` · "
                       "derivative. "
                       "PyTorch's exact GELU forms 1 + erf(x/√2), so its values for x < −1 carry "
                       "an absolute error near 1e-16·|x|: compare them absolutely.", 33)
    special = torch.tensor([0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-6, -10.0, -40.0, 10.0, 40.0,
                            1e4, -1e4], dtype=torch.float64).float().double()
    grid = torch.cat([torch.linspace(-8, 8, 101, dtype=torch.float64).float().double(), special])
    for name, function in ACTIVATIONS.items():
        if name == "identity":
            continue
        case = file.case(name)
        x = case.leaf("x", grid)
        case.result("derivative", torch.autograd.grad(function(x).sum(), x)[0])
        case.backward(function(x), "y")
    yield file


def linear():
    file = FixtureFile("linear", "y = activation(x · weightᵀ + bias), weight [out, in]; "
                       "`pre` is the value before the activation.", 34)
    for name, activation, has_bias in (("identity", "identity", True),
                                       ("no_bias", "identity", False), ("relu", "relu", True),
                                       ("gelu_exact", "gelu_exact", True),
                                       ("gelu_tanh", "gelu_tanh", True), ("silu", "silu", True)):
        case = file.case(name)
        case.option("activation", activation)
        x = case.leaf("x", real(2, 5, 6))
        weight = case.leaf("weight", real(9, 6, scale=0.5))
        bias = case.leaf("bias", real(9)) if has_bias else None
        pre = F.linear(x, weight, bias)
        case.result("pre", pre)
        case.backward(ACTIVATIONS[activation](pre), "y")
    yield file

    file = FixtureFile("feed_forward", "y = activation(x · w1ᵀ + b1) · w2ᵀ + b2, "
                       "w1 [hidden, in], w2 [out, hidden]; `hidden` is after the activation.", 35)
    for name in ("gelu_exact", "gelu_tanh", "relu", "silu"):
        case = file.case(name)
        case.option("activation", name)
        x = case.leaf("x", real(2, 5, 6))
        w1, b1 = case.leaf("w1", real(10, 6, scale=0.5)), case.leaf("b1", real(10))
        w2, b2 = case.leaf("w2", real(6, 10, scale=0.5)), case.leaf("b2", real(6))
        hidden = ACTIVATIONS[name](F.linear(x, w1, b1))
        case.result("hidden", hidden)
        case.backward(F.linear(hidden, w2, b2), "y")
    yield file


def embedding():
    file = FixtureFile("embedding", "y = token[ids] · scale + position[positions] + "
                       "segment[segments]; parts without a table are left out, scale is 1 unless "
                       "given. In padding, `padding_id` rows are looked up as usual but their "
                       "token gradient stays zero (nn.Embedding's padding_idx).", 36)
    ids = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 0, 0]])
    for name, tables in (("token", ()), ("token_position", ("position",)),
                         ("token_position_segment", ("position", "segment")),
                         ("scaled", ("position",)), ("padding", ("position",))):
        case = file.case(name)
        case.input("ids", ids)
        token = case.leaf("token", real(11, 6))
        pad = case.input("padding_id", torch.tensor(0)).item() if name == "padding" else None
        y = F.embedding(ids, token, padding_idx=pad)
        if name == "scaled":
            y = y * case.input("scale", torch.tensor(2.5)).item()
        if "position" in tables:
            positions = case.input("positions", torch.tensor([[0, 1, 2, 3, 4], [2, 3, 4, 5, 6]]))
            y = y + F.embedding(positions, case.leaf("position", real(8, 6)))
        if "segment" in tables:
            segments = case.input("segments", torch.tensor([[0, 0, 1, 1, 1], [0, 0, 0, 0, 1]]))
            y = y + F.embedding(segments, case.leaf("segment", real(2, 6)))
        case.backward(y, "y")
    yield file


def lengths_mask(case, name, lengths, longest):
    """Records the lengths; PyTorch's mask is true at the padding."""
    return torch.arange(longest)[None, :] >= case.input(name, torch.tensor(lengths))[:, None]


def causal_mask(size):
    return torch.full((size, size), -torch.inf, dtype=torch.float64).triu(1)


def layers():
    kinds = [(False, "relu"), (True, "gelu")]
    file = FixtureFile("encoder_layer", "nn.TransformerEncoderLayer(8, 2 heads, feed-forward 16, "
                       "dropout 0), batch first; keys at `src_lengths` and beyond are hidden. GELU "
                       "is the exact one. norm = pre: x + f(norm(x)); post: norm(x + f(x)).", 41)
    for first, activation in kinds:
        case = file.case(f"{'pre' if first else 'post'}_norm_{activation}")
        module = case.parameters(nn.TransformerEncoderLayer(
            8, 2, 16, 0.0, activation, batch_first=True, norm_first=first))
        src = case.leaf("src", real(2, 5, 8))
        padding = lengths_mask(case, "src_lengths", [5, 3], 5)
        case.backward(module(src, src_key_padding_mask=padding))
    yield file

    file = FixtureFile("decoder_layer", "nn.TransformerDecoderLayer(8, 2 heads, feed-forward 16, "
                       "dropout 0), batch first, causal self-attention; keys at `tgt_lengths` and "
                       "`memory_lengths` and beyond are hidden. norm2 follows or precedes the "
                       "cross attention (multihead_attn), norm3 the feed-forward.", 42)
    for first, activation in kinds:
        case = file.case(f"{'pre' if first else 'post'}_norm_{activation}")
        module = case.parameters(nn.TransformerDecoderLayer(
            8, 2, 16, 0.0, activation, batch_first=True, norm_first=first))
        tgt, memory = case.leaf("tgt", real(2, 4, 8)), case.leaf("memory", real(2, 5, 8))
        case.backward(module(
            tgt, memory, tgt_mask=causal_mask(4),
            tgt_key_padding_mask=lengths_mask(case, "tgt_lengths", [4, 2], 4),
            memory_key_padding_mask=lengths_mask(case, "memory_lengths", [5, 3], 5)))
    yield file

    file = FixtureFile("transformer", "nn.Transformer, width 16, 2 heads, 2 + 2 layers, "
                       "feed-forward 32, dropout 0, ReLU, post-norm, batch first; causal "
                       "self-attention in the "
                       "decoder, keys beyond the lengths hidden, and a final norm after each stack "
                       "(encoder.norm, decoder.norm).", 43)
    case = file.case("post_norm_relu")
    module = case.parameters(nn.Transformer(16, 2, 2, 2, 32, 0.0, "relu", batch_first=True))
    src, tgt = case.leaf("src", real(2, 5, 16)), case.leaf("tgt", real(2, 4, 16))
    src_padding = lengths_mask(case, "src_lengths", [5, 3], 5)
    memory = module.encoder(src, src_key_padding_mask=src_padding)
    case.result("memory", memory)
    case.backward(module(
        src, tgt, tgt_mask=causal_mask(4), src_key_padding_mask=src_padding,
        tgt_key_padding_mask=lengths_mask(case, "tgt_lengths", [4, 2], 4),
        memory_key_padding_mask=src_padding))
    yield file


def recurrent():
    file = FixtureFile("lstm", "nn.LSTM of one layer, batch first, from zeros or from `h0` and "
                       "`c0` [batch, hidden]; gates i, f, g, o. `cell` is the last step's, and "
                       "takes no part in the gradients.", 37)
    for name, bias, initial in (("plain", True, False), ("no_bias", False, False),
                                ("initial", True, True)):
        case = file.case(name)
        layer = case.parameters(nn.LSTM(5, 3, bias=bias, batch_first=True))
        x = case.leaf("x", real(2, 4, 5))
        state = None
        if initial:
            state = tuple(case.leaf(leaf, real(2, 3)).unsqueeze(0) for leaf in ("h0", "c0"))
        output, (_, cell) = layer(x, state)
        case.result("cell", cell.squeeze(0))
        case.backward(output, "y")
    yield file
