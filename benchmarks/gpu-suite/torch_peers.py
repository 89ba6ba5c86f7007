"""PyTorch on the work that `transformer bench` timed: python3 torch_peers.py --help.

Each row of a bench file names op, shape, direction and element type; this times the same in every
way that PyTorch has for it. Times are CUDA events around many calls, warmed up, with copies of the
operands that take turns so that the cache does not hold them, on random data; the median counts.
"""

import argparse
import json
import math
import re
import statistics
import sys
import time

import torch
import torch.nn.functional as functional

DTYPES = {"Float32": torch.float32, "Float16": torch.float16, "BFloat16": torch.bfloat16}
SAMPLE_SECONDS = 5e-3
MOST_COPIES = 16

# Work of the project's targets beyond the sizes of `transformer bench`.
TARGETS = [
    ("FusedAttention", "[1, 64/8, 8192×8192, 128/128]", "BFloat16"),
    ("FusedAttention", "[1, 64/8, 8192×8192, 128/128] top-left", "BFloat16"),
    ("FusedAttention", "[1, 64/64, 8192×8192, 64/64]", "BFloat16"),
    ("LayerNorm", "[8192, 8192]", "BFloat16"),
    ("LayerNorm", "[8192, 8192] residual", "BFloat16"),
    ("GeluFeedForward", "[8192, 4096] to 16384 to 4096 GeluTanh bias", "BFloat16"),
]


class Cannot(Exception):
    """PyTorch, or this script, has no such work."""


class Clock:
    """Seconds of work on a device."""

    def __init__(self, device):
        self.cuda = device.type == "cuda"
        self.cache = 0
        if self.cuda:
            properties = torch.cuda.get_device_properties(device)
            self.cache = getattr(properties, "L2_cache_size", 64 << 20)

    def sample(self, calls, count):
        """Seconds a call, of `count` calls that take turns."""
        if self.cuda:
            first = torch.cuda.Event(enable_timing=True)
            last = torch.cuda.Event(enable_timing=True)
            first.record()
            for i in range(count):
                calls[i % len(calls)]()
            last.record()
            last.synchronize()
            return first.elapsed_time(last) / 1e3 / count
        begin = time.perf_counter()
        for i in range(count):
            calls[i % len(calls)]()
        return (time.perf_counter() - begin) / count

    def median(self, make, operand_bytes, budget):
        """Median seconds of what `make` makes; each thing made has operands of its own."""
        copies = max(1, min(MOST_COPIES, int(2 * self.cache // max(1, operand_bytes)) + 1))
        calls = [make() for _ in range(copies)]
        once = self.sample(calls, copies)
        once = self.sample(calls, copies)
        count = max(copies, min(1000, int(SAMPLE_SECONDS / max(once, 1e-9))))
        samples, begin = [], time.perf_counter()
        while not samples or time.perf_counter() - begin < budget and len(samples) < 1000:
            samples.append(self.sample(calls, count))
        return statistics.median(samples)


def numbers(text):
    """All whole numbers of a shape."""
    return [int(number) for number in re.findall(r"\d+", text)]


def random(device, dtype, *dims):
    """Random numbers that a gradient can be asked of."""
    return torch.randn(*dims, device=device, dtype=dtype, requires_grad=True)


def passes(forward, inputs, backward):
    """A call of the forward pass, or of the backward pass of one forward pass."""
    if not backward:

        def call():
            with torch.no_grad():
                return forward(*inputs)

        return call
    output = forward(*inputs)
    gradient = torch.randn_like(output)
    wanted = [tensor for tensor in inputs if tensor is not None]
    return lambda: torch.autograd.grad(output, wanted, gradient, retain_graph=True)


def layer_norm(shape, backward, device, dtype):
    """torch layer_norm, with an addition before it where there is a residual."""
    rows, width = numbers(shape)[:2]
    residual = "residual" in shape

    def forward(x, r, weight, bias):
        return functional.layer_norm(x if r is None else x + r, (width,), weight, bias)

    def make():
        inputs = [random(device, dtype, rows, width),
                  random(device, dtype, rows, width) if residual else None,
                  random(device, dtype, width), random(device, dtype, width)]
        return passes(forward, inputs, backward)

    return {"layer_norm": make}


def activate(name):
    """The activation that a shape names."""
    known = {"None": lambda x: x, "Relu": functional.relu, "Gelu": functional.gelu,
             "Silu": functional.silu,
             "GeluTanh": lambda x: functional.gelu(x, approximate="tanh")}
    if name not in known:
        raise Cannot(f"activation {name}")
    return known[name]


def linear(shape, backward, device, dtype):
    """linear, then the activation."""
    match = re.match(r"\[(\d+), (\d+)\] to (\d+) (\w+)( bias)?$", shape)
    if not match:
        raise Cannot(f"linear {shape}")
    rows, width, out = (int(match.group(i)) for i in (1, 2, 3))
    activation = activate(match.group(4))

    def forward(x, weight, bias):
        return activation(functional.linear(x, weight, bias))

    def make():
        inputs = [random(device, dtype, rows, width), random(device, dtype, out, width),
                  random(device, dtype, out) if match.group(5) else None]
        return passes(forward, inputs, backward)

    return {"linear": make}


def feed_forward(shape, backward, device, dtype):
    """linear, F.gelu, linear."""
    match = re.match(r"\[(\d+), (\d+)\] to (\d+) to (\d+) (\w+)( bias)?$", shape)
    if not match:
        raise Cannot(f"feed-forward {shape}")
    rows, width, hidden, out = (int(match.group(i)) for i in (1, 2, 3, 4))
    activation = activate(match.group(5))

    def forward(x, w1, b1, w2, b2):
        return functional.linear(activation(functional.linear(x, w1, b1)), w2, b2)

    def make():
        bias = match.group(6)
        inputs = [random(device, dtype, rows, width), random(device, dtype, hidden, width),
                  random(device, dtype, hidden) if bias else None,
                  random(device, dtype, out, hidden), random(device, dtype, out) if bias else None]
        return passes(forward, inputs, backward)

    return {"linear+gelu+linear": make}


def attention(shape, backward, device, dtype):
    """scaled_dot_product_attention in each of its backends, and as separate products."""
    match = re.match(
        r"\[(\d+), (\d+)/(\d+), (\d+)×(\d+), (\d+)/(\d+)\]( top-left)?$", shape)
    if not match:
        raise Cannot(f"attention {shape}")
    batch, heads, kv_heads, queries, keys, width, value_width = (
        int(match.group(i)) for i in range(1, 8))
    causal = match.group(8) is not None

    def spread(x):
        return x.repeat_interleave(heads // kv_heads, 1) if kv_heads != heads else x

    def products(q, k, v):
        scores = q @ spread(k).transpose(-2, -1) / math.sqrt(width)
        if causal:
            mask = torch.ones(queries, keys, dtype=torch.bool, device=device).triu(1)
            scores = scores.masked_fill(mask, -math.inf)
        return torch.softmax(scores, -1) @ spread(v)

    def make_with(forward):
        def make():
            inputs = [random(device, dtype, batch, heads, queries, width),
                      random(device, dtype, batch, kv_heads, keys, width),
                      random(device, dtype, batch, kv_heads, keys, value_width)]
            return passes(forward, inputs, backward)

        return make

    ways = {"products": make_with(products)}
    if not hasattr(functional, "scaled_dot_product_attention"):
        return ways
    from torch.nn.attention import SDPBackend, sdpa_kernel
    for name in ("FLASH_ATTENTION", "EFFICIENT_ATTENTION", "CUDNN_ATTENTION", "MATH"):
        backend = getattr(SDPBackend, name, None)
        if backend is None:
            continue

        def fused(q, k, v, backend=backend):
            grouped = {"enable_gqa": True} if kv_heads != heads else {}
            with sdpa_kernel(backend):
                return functional.scaled_dot_product_attention(
                    q, k, v, is_causal=causal, **grouped)

        ways[f"sdpa {name.lower()}"] = make_with(fused)
    return ways


WORK = {"LayerNorm": layer_norm, "Linear": linear, "GeluFeedForward": feed_forward,
        "FusedAttention": attention}


def operand_bytes(op, shape, dtype):
    """About what a call reads and writes."""
    sizes = numbers(shape)
    size = torch.empty(0, dtype=dtype).element_size()
    if op == "FusedAttention":
        batch, heads, kv_heads, queries, keys, width, value_width = sizes[:7]
        return size * batch * (heads * queries + kv_heads * keys) * (width + value_width)
    if op == "LayerNorm":
        return 2 * size * sizes[0] * sizes[1]
    return size * (sum(a * b for a, b in zip(sizes[1:], sizes[2:])) + sizes[0] * sum(sizes[1:]))


def time_row(clock, op, shape, direction, dtype_name, device, budget):
    """Rows of one piece of work, one a way; a way that fails says why."""
    key = {"op": op, "shape": shape, "direction": direction, "dtype": dtype_name}
    dtype = DTYPES[dtype_name]
    try:
        ways = WORK[op](shape, direction == "Backward", device, dtype)
    except Cannot as reason:
        yield {**key, "way": None, "ms": None, "reason": str(reason)}
        return
    for way, make in ways.items():
        try:
            seconds = clock.median(make, operand_bytes(op, shape, dtype), budget)
            yield {**key, "way": way, "ms": seconds * 1e3, "reason": None}
        except (RuntimeError, TypeError, ValueError) as error:
            reason = str(error).strip().splitlines()
            yield {**key, "way": way, "ms": None, "reason": reason[0] if reason else "failed"}
        if clock.cuda:
            torch.cuda.empty_cache()


def limits(clock, device, budget):
    """Bandwidth of a copy and rates of large products, by the same clock."""
    scale = 1 if clock.cuda else 64
    count = (1 << 28) // scale
    found = {}

    def copy():
        source, target = torch.randn(count, device=device), torch.empty(count, device=device)
        return lambda: target.copy_(source)

    found["copyGBs"] = 8 * count / clock.median(copy, 1 << 40, budget) / 1e9
    for name, dtype in DTYPES.items():
        if not clock.cuda and dtype != torch.float32:
            continue
        size = 8192 if clock.cuda else 512

        def product(size=size, dtype=dtype):
            a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
            return lambda: a @ b

        found[f"product{name}Tflops"] = 2 * size**3 / clock.median(product, 1 << 40, budget) / 1e12
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", action="append", default=[], help="a file of `bench --json`")
    parser.add_argument("--out", required=True)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure")
    parser.add_argument("--targets", action="store_true", help="also the project's target sizes")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch_peers: this PyTorch sees no CUDA device")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(1)
    device = torch.device(options.device)
    clock = Clock(device)
    work = []
    for path in options.bench:
        with open(path, encoding="utf-8") as file:
            for row in json.load(file)["rows"]:
                key = (row["op"], row["shape"], row["direction"], row["dtype"])
                if row["op"] in WORK and key not in work:
                    work.append(key)
    if options.targets:
        work += [(op, shape, direction, dtype) for op, shape, dtype in TARGETS
                 for direction in ("Forward", "Backward")]
    name = torch.cuda.get_device_name() if clock.cuda else "CPU"
    result = {
        "torch": torch.__version__, "cuda": torch.version.cuda, "device": name,
        "limits": limits(clock, device, options.seconds), "rows": [],
    }
    for op, shape, direction, dtype in work:
        for row in time_row(clock, op, shape, direction, dtype, device, options.seconds):
            result["rows"].append(row)
            print(json.dumps(row, ensure_ascii=False), flush=True)
    with open(options.out, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=1, ensure_ascii=False)


if __name__ == "__main__":
    main()
