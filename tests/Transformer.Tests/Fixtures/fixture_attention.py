"""Attention: scaled dot-product with every option, in plain tensor code, and MultiheadAttention."""
import math

import torch
from torch import nn

from fixture_file import FixtureFile, real

HEADS = "Hq = 2, Hkv = 2 unless the shapes say otherwise; [batch, head, position, size]."


def distances(batch, queries, keys, causal, lengths):
    """j − (i + offset) of each key from the position of each query, [B, 1, Sq, Skv]."""
    i, j = torch.arange(queries)[:, None], torch.arange(keys)[None, :]
    offset = torch.zeros(batch, dtype=torch.int64)
    if causal == "bottom_right":
        offset = (lengths if lengths is not None else torch.full((batch,), keys)) - queries
    return j - (i + offset[:, None, None, None])


def visibility(case, heads, distance, causal, lengths, mask, window):
    """Which key each query may see, as bool [B, Hq, Sq, Skv]."""
    batch, _, queries, keys = distance.shape
    visible = torch.ones(batch, heads, queries, keys, dtype=torch.bool)
    if lengths is not None:
        visible = visible & (torch.arange(keys) < lengths[:, None, None, None])
    if causal is not None:
        case.option("causal", causal)
        visible = visible & (distance <= 0)
    if window is not None:
        left, right = case.input("window", torch.tensor(window)).tolist()
        visible = visible & (distance >= -left) & (distance <= right)
    if mask is not None:
        visible = visible & case.input("mask", mask)
    return visible


def bucket(distance, count, maximum, both_ways):
    """Raffel et al. 2020: half of the buckets hold one distance each, the others widen
    logarithmically up to `maximum`, from where on all share the last; both ways, keys after the
    query have the upper half of the buckets for themselves."""
    if both_ways:
        after = bucket(-distance.abs(), count // 2, maximum, False)
        return after + (distance > 0) * (count // 2)
    ago = (-distance).clamp(min=0)
    exact = count // 2
    ratio = math.log(maximum / exact)
    far = exact + ((ago.clamp(min=1).double() / exact).log() / ratio * (count - exact)).floor()
    return torch.where(ago < exact, ago, far.long().clamp(max=count - 1))


def position_terms(case, heads, distance, slopes, table):
    """What the distance adds to a score: −m·|distance|, and the row of the learnt table."""
    terms = torch.zeros(1, heads, 1, 1, dtype=torch.float64)
    if slopes:
        slopes = case.input("alibi_slopes", torch.tensor([2.0**-(h + 1) for h in range(heads)]))
        terms = terms - slopes[:, None, None] * distance.abs()
    if table is not None:
        count, maximum, both_ways = case.input("buckets", torch.tensor(table)).tolist()
        leaf = case.leaf("relative_bias", real(count, heads))
        terms = terms + leaf[bucket(distance[:, 0], count, maximum, both_ways)].permute(0, 3, 1, 2)
    return terms


def attention(file, name, batch=2, heads=2, kv_heads=None, queries=4, keys=6, size=3, value_size=3,
              scale=None, soft_cap=None, causal=None, lengths=None, mask=None, bias=None, spread=1,
              window=None, slopes=False, table=None, sinks=None):
    """o = softmax(cap(scale q kᵀ) + bias, over the visible keys) v; an empty row gives zero. A sink
    is one more score a row, without a value."""
    case = file.case(name)
    groups = heads // (kv_heads or heads)
    q = case.leaf("q", real(batch, heads, queries, size, scale=spread))
    k = case.leaf("k", real(batch, heads // groups, keys, size, scale=spread))
    v = case.leaf("v", real(batch, heads // groups, keys, value_size))
    wide_k, wide_v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    factor = size**-0.5 if scale is None else case.input("scale", torch.tensor(scale)).item()
    raw = factor * (q @ wide_k.transpose(-1, -2))
    capped = raw
    if soft_cap is not None:
        cap = case.input("soft_cap", torch.tensor(soft_cap)).item()
        capped = cap * torch.tanh(raw / cap)
    scores = capped if bias is None else capped + case.leaf("bias", bias)
    if lengths is not None:
        lengths = case.input("key_lengths", torch.tensor(lengths))
    distance = distances(batch, queries, keys, causal, lengths)
    scores = scores + position_terms(case, heads, distance, slopes, table)
    visible = visibility(case, heads, distance, causal, lengths, mask, window)
    masked = scores.masked_fill(~visible, -torch.inf)
    seen = (masked > -torch.inf).any(-1, keepdim=True)
    total = masked.masked_fill(~seen, 0.0)
    if sinks is not None:
        sink = case.leaf("sinks", sinks)[:, None, None].expand(batch, heads, queries, 1)
        total = torch.cat([total, sink], -1)
    weights = torch.softmax(total, -1)[..., :keys] * seen
    if file.name in ("attention_scores", "attention_heads"):
        case.result("raw", raw)
        case.result("capped", capped)
    case.result("masked", masked)
    case.result("probabilities", weights)
    case.result("lse", torch.logsumexp(total, -1).masked_fill(~seen[..., 0], -torch.inf))
    case.backward(weights @ wide_v, "o")


def random_mask(*shape):
    return torch.rand(*shape) < 0.6


def scaled_dot_product():
    file = FixtureFile("attention_scores", "Scale and soft cap. " + HEADS, 11)
    attention(file, "default")
    attention(file, "scale", scale=0.375)
    attention(file, "soft_cap", soft_cap=5.0, spread=3)
    attention(file, "large_logits", spread=40)
    attention(file, "single_key", queries=3, keys=1)
    yield file

    file = FixtureFile("attention_causal", "Causal, top-left and bottom-right alignment; with more "
                       "queries than keys the first bottom-right rows see nothing. " + HEADS, 12)
    for alignment in ("top_left", "bottom_right"):
        attention(file, f"{alignment}_square", causal=alignment, queries=5, keys=5)
        attention(file, f"{alignment}_wide", causal=alignment, queries=3, keys=6)
        attention(file, f"{alignment}_tall", causal=alignment, queries=6, keys=3)
    yield file

    file = FixtureFile("attention_lengths", "Key lengths, per sequence; length 0 gives empty rows. "
                       "bottom_right aligns to the length: offset[b] = length[b] − Sq. "
                       + HEADS, 13)
    attention(file, "lengths", batch=3, lengths=[6, 0, 3])
    attention(file, "lengths_top_left", batch=3, lengths=[6, 0, 3], causal="top_left")
    attention(file, "lengths_bottom_right", batch=3, lengths=[6, 5, 2], causal="bottom_right")
    yield file

    file = FixtureFile("attention_mask", "Boolean mask, true = may attend, broadcast right-aligned "
                       "to [B, Hq, Sq, Skv]. In rank3 one row sees nothing. " + HEADS, 14)
    rank3 = random_mask(2, 4, 6)
    rank3[1, 2] = False
    attention(file, "rank2", mask=random_mask(4, 6))
    attention(file, "rank3", mask=rank3)
    attention(file, "rank4", mask=random_mask(2, 2, 4, 6))
    attention(file, "rank4_batch", mask=random_mask(2, 1, 4, 6))
    attention(file, "rank4_keys", mask=random_mask(2, 1, 1, 6))
    yield file

    file = FixtureFile("attention_bias", "Additive bias after the soft cap, broadcast "
                       "right-aligned to [B, Hq, Sq, Skv], with its gradient. In rank3_hidden "
                       "some entries "
                       "are −∞ and one row is wholly −∞. " + HEADS, 15)
    hidden = real(2, 4, 6).masked_fill(~random_mask(2, 4, 6), -torch.inf)
    hidden[0, 3] = -torch.inf
    attention(file, "rank1", bias=real(6))
    attention(file, "rank2", bias=real(4, 6))
    attention(file, "rank3", bias=real(2, 4, 6))
    attention(file, "rank3_hidden", bias=hidden)
    attention(file, "rank4", bias=real(2, 2, 4, 6))
    attention(file, "rank4_batch", bias=real(2, 1, 4, 6))
    attention(file, "rank4_row", bias=real(1, 2, 4, 1))
    yield file

    file = FixtureFile("attention_heads", "Grouped heads (query head h reads key/value head "
                       "h / (Hq / Hkv)), values of another size than keys, and all options "
                       "together.", 16)
    attention(file, "grouped", heads=4, kv_heads=2)
    attention(file, "multi_query", heads=3, kv_heads=1, batch=1)
    attention(file, "value_wider", value_size=5)
    attention(file, "value_narrower", value_size=2, size=5)
    attention(file, "everything", heads=4, kv_heads=2, queries=4, keys=6, size=5, value_size=3,
              scale=0.5, soft_cap=5.0, causal="bottom_right", lengths=[6, 3],
              mask=random_mask(4, 4, 6), bias=real(2, 1, 4, 6), spread=2)
    yield file


def position_and_sinks():
    file = FixtureFile("attention_position", "ALiBi: −alibi_slopes[h]·|j − (i + offset)|; relative "
                       "bias: relative_bias[bucket of j − (i + offset), h], buckets = (count, "
                       "maximum distance, both ways); offset is that of the causal alignment. "
                       + HEADS, 17)
    attention(file, "alibi", slopes=True)
    attention(file, "alibi_bottom_right", slopes=True, causal="bottom_right", lengths=[6, 3])
    attention(file, "relative_both_ways", table=[8, 5, 1], queries=7, keys=9)
    attention(file, "relative_causal", table=[6, 7, 0], queries=9, keys=9, causal="top_left")
    attention(file, "relative_bottom_right", table=[4, 6, 1], heads=4, kv_heads=2, queries=3,
              keys=9, causal="bottom_right", lengths=[9, 5])
    yield file

    file = FixtureFile("attention_sinks", "A sink is a score of its own in every row's "
                       "denominator, without a value; lse includes it; a row that sees no key is "
                       "0 with lse −∞ all the same. " + HEADS, 18)
    attention(file, "sinks", sinks=real(2, scale=2))
    attention(file, "sinks_one_absent", sinks=torch.tensor([0.5, -torch.inf]))
    attention(file, "sinks_empty_rows", sinks=real(4), heads=4, kv_heads=2, queries=5, keys=3,
              causal="bottom_right", lengths=[3, 2])
    yield file

    file = FixtureFile("attention_window", "Sliding window (left, right) around i + offset, with "
                       "and without soft cap and causal order; `everything` has all terms. "
                       + HEADS, 19)
    attention(file, "window", window=[1, 2], queries=5, keys=7)
    attention(file, "window_soft_cap", window=[2, 1], soft_cap=1.5, spread=2, queries=6, keys=6)
    attention(file, "window_causal_soft_cap", window=[2, 0], soft_cap=2.0, causal="bottom_right",
              lengths=[7, 4], queries=5, keys=7)
    attention(file, "everything", heads=4, kv_heads=2, window=[3, 0], soft_cap=2.0,
              causal="bottom_right", lengths=[7, 5], queries=5, keys=7, bias=real(4, 5, 7),
              slopes=True, table=[6, 3, 1], sinks=real(4), mask=random_mask(5, 7))
    yield file


def module_attention(file, name, cross=False, lengths=None, visible=None, bias=None):
    """nn.MultiheadAttention(8, 2); PyTorch takes the negation of `visible`."""
    case, queries = file.case(name), 4
    keys = 6 if cross else queries
    module = case.parameters(nn.MultiheadAttention(8, 2, batch_first=True))
    query = case.leaf("query", real(2, queries, 8))
    key = case.leaf("key", real(2, keys, 8)) if cross else query
    value = case.leaf("value", real(2, keys, 8)) if cross else query
    padding = attn_mask = None
    if lengths is not None:
        lengths = case.input("key_lengths", torch.tensor(lengths))
        padding = torch.arange(keys)[None, :] >= lengths[:, None]
    if visible is not None:
        attn_mask = ~case.input("visible", visible)
    if bias is not None:
        attn_mask = case.input("bias", bias)
    options = {"key_padding_mask": padding, "attn_mask": attn_mask}
    output, average = module(query, key, value, average_attn_weights=True, **options)
    _, per_head = module(query, key, value, average_attn_weights=False, **options)
    case.result("weights", average)
    case.result("weights_per_head", per_head)
    case.backward(output)


def multihead_attention():
    file = FixtureFile("multihead_attention", "nn.MultiheadAttention, embed 8, 2 heads, batch "
                       "first. y = out_proj(concat of heads); in_proj_weight is Q, K, V "
                       "stacked, each "
                       "[out, in]. In the cases without `key`, key = value = query and `d_query` "
                       "is the sum of the three.", 20)
    module_attention(file, "self")
    module_attention(file, "cross", cross=True)
    module_attention(file, "self_key_padding", lengths=[4, 2])
    module_attention(file, "cross_key_padding", cross=True, lengths=[3, 6])
    module_attention(file, "self_causal", visible=torch.ones(4, 4, dtype=torch.bool).tril())
    module_attention(file, "cross_bias", cross=True, bias=real(4, 6))
    yield file


def memory_attention(file, name, memory_width=None, bias=True, lengths=None):
    """nn.MultiheadAttention(8, 2) whose keys and values come from one memory."""
    case = file.case(name)
    module = case.parameters(nn.MultiheadAttention(
        8, 2, bias=bias, batch_first=True, kdim=memory_width, vdim=memory_width))
    query, memory = case.leaf("query", real(2, 4, 8)), case.leaf("memory", real(
        2, 6, memory_width or 8))
    padding = None
    if lengths is not None:
        lengths = case.input("key_lengths", torch.tensor(lengths))
        padding = torch.arange(6)[None, :] >= lengths[:, None]
    case.backward(module(query, memory, memory, key_padding_mask=padding)[0])


def rotated(x, interleaved, dimension, theta):
    """x [B, H, S, D] with each pair of its first elements turned by position · frequency."""
    angles = torch.arange(x.shape[2], dtype=torch.float64)[:, None] * theta ** (
        -2 * torch.arange(dimension // 2, dtype=torch.float64) / dimension)
    turn = torch.polar(torch.ones_like(angles), angles)
    head, rest = x[..., :dimension], x[..., dimension:]
    if interleaved:
        pairs = torch.view_as_complex(head.reshape(*head.shape[:-1], -1, 2).contiguous())
        head = torch.view_as_real(pairs * turn).flatten(-2)
    else:
        first, second = head.chunk(2, -1)
        pairs = torch.complex(first, second) * turn
        head = torch.cat([pairs.real, pairs.imag], -1)
    return torch.cat([head, rest], -1)


def grouped_layer(file, name, heads, kv_heads, size, rotary=None, slopes=None):
    """Causal self-attention of width 8 with its projections; `in_proj_weight` is Q, K, V."""
    case, groups = file.case(name), heads // kv_heads
    case.option("heads", heads)
    case.option("kv_heads", kv_heads)
    rows = (heads + 2 * kv_heads) * size
    weight = case.leaf("in_proj_weight", real(rows, 8, scale=0.5))
    bias = case.leaf("in_proj_bias", real(rows))
    out_weight = case.leaf("out_proj.weight", real(8, heads * size, scale=0.5))
    out_bias = case.leaf("out_proj.bias", real(8))
    query = case.leaf("query", real(2, 5, 8))
    packed = nn.functional.linear(query, weight, bias).unflatten(-1, (-1, size)).transpose(1, 2)
    q, k, v = packed.split([heads, kv_heads, kv_heads], 1)
    if rotary is not None:
        interleaved, dimension, theta = rotary
        case.option("interleaved", int(interleaved))
        case.option("rotary_dimension", dimension)
        case.option("theta", theta)
        q, k = (rotated(x, interleaved, dimension, theta) for x in (q, k))
    scores = q @ k.repeat_interleave(groups, 1).transpose(-1, -2) * size**-0.5
    distance = torch.arange(5)[:, None] - torch.arange(5)[None, :]
    if slopes is not None:
        scores = scores - torch.tensor(slopes, dtype=torch.float64)[:, None, None] * distance
    weights = scores.masked_fill(distance < 0, -torch.inf).softmax(-1)
    attended = (weights @ v.repeat_interleave(groups, 1)).transpose(1, 2).flatten(-2)
    case.backward(nn.functional.linear(attended, out_weight, out_bias))


def attention_layer():
    file = FixtureFile("layer_memory", "nn.MultiheadAttention, embed 8, 2 heads, batch "
                       "first, keys and values from one memory; kdim = vdim = 6 in memory_width.",
                       22)
    memory_attention(file, "memory", lengths=[3, 6])
    memory_attention(file, "memory_width", memory_width=6)
    memory_attention(file, "no_bias", bias=False)
    yield file

    file = FixtureFile("layer_causal", "Causal self-attention of width 8 with its "
                       "projections, in plain tensor code: grouped heads, rotary positions from "
                       "0 on, ALiBi with the slopes of three heads (1/16, 1/256, 1/4). "
                       "in_proj_weight is Q, K, V stacked.", 23)
    grouped_layer(file, "grouped", 4, 2, 2)
    grouped_layer(file, "rotary_halves", 4, 1, 6, rotary=(False, 6, 10000.0))
    grouped_layer(file, "rotary_interleaved", 2, 2, 6, rotary=(True, 4, 100.0))
    grouped_layer(file, "alibi", 3, 1, 4, slopes=[2**-4, 2**-8, 2**-2])
    yield file
