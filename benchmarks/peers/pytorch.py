"""PyTorch as a peer: python3 pytorch.py THREADS."""

import ctypes
import json
import math
import os
import re
import sys
import time

import numpy
import torch
import torch.nn.functional as functional

import pytorch_gpt

EPSILON = 1e-5


class Cannot(Exception):
    """PyTorch has no such op."""


def read(folder, name, dims):
    """A tensor with memory of its own."""
    return torch.from_numpy(numpy.fromfile(os.path.join(folder, name + ".f32"), "<f4")).view(dims)


def write(folder, name, tensor):
    """Writes a tensor as the case lays it out."""
    tensor.detach().contiguous().numpy().tofile(os.path.join(folder, name + ".f32"))


def blas():
    """What multiplies matrices, where it is OpenBLAS; its kernels' name tells the vectors used."""
    try:
        configuration = ctypes.CDLL("libopenblas.so.0").openblas_get_config
    except (OSError, AttributeError):
        return "unknown"
    configuration.restype = ctypes.c_char_p
    return configuration().decode()


def vectors():
    """The instruction set that PyTorch's own kernels use."""
    found = re.search(r"CPU capability usage: (\S+)", torch.__config__.show())
    return found.group(1) if found else "unknown"


class UnfusedAttention:
    """Two batched products with a softmax between; grouped heads as rows of one product."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.scale = 1 / math.sqrt(sizes["width"])
        queries, keys = sizes["queries"], sizes["keys"]
        self.groups = sizes["heads"] // sizes["keyValueHeads"]
        if self.groups > 1 and queries > 1:
            raise Cannot("grouped heads of several queries")
        self.mask = torch.zeros(1, 1, 1)
        if sizes["causal"]:
            self.mask = torch.full((queries, keys), -math.inf).triu(1)

    def __call__(self, query, key, value):
        sizes = self.sizes
        shape = (sizes["keyValueHeads"], self.groups * sizes["queries"], sizes["width"])
        key, value = key[0].transpose(1, 2), value[0]
        beta = 1 if sizes["causal"] else 0
        scores = torch.baddbmm(
            self.mask, query.reshape(shape), key, beta=beta, alpha=self.scale)
        return torch.bmm(torch.softmax(scores, -1), value).view(query.shape)


def attention_ways(sizes):
    """The functions that attend, by name."""
    ways = {"unfused": UnfusedAttention(sizes)}
    fused = getattr(functional, "scaled_dot_product_attention", None)
    if fused is not None:
        grouped = {"enable_gqa": True} if sizes["heads"] != sizes["keyValueHeads"] else {}
        ways["scaled_dot_product_attention"] = lambda query, key, value: fused(
            query, key, value, is_causal=sizes["causal"], **grouped)
    return ways


def attention_forward(sizes, x):
    return {
        name: lambda attend=attend: {"output": attend(x["query"], x["key"], x["value"])}
        for name, attend in attention_ways(sizes).items()
    }


def attention_backward(sizes, x):
    def of(attend):
        operands = [x[name].clone().requires_grad_() for name in ("query", "key", "value")]
        with torch.enable_grad():
            output = attend(*operands)

        def run():
            gradients = torch.autograd.grad(
                output, operands, x["outputGradient"], retain_graph=True)
            return dict(zip(("queryGradient", "keyGradient", "valueGradient"), gradients))

        return run

    return {name: of(attend) for name, attend in attention_ways(sizes).items()}


def layer_norm(sizes, x):
    def normalised(values):
        return functional.layer_norm(values, (sizes["width"],), x["weight"], x["bias"], EPSILON)

    if not sizes["residual"]:
        return {"layer_norm": lambda: {"output": normalised(x["input"])}}
    total = torch.empty_like(x["input"])

    def run():
        torch.add(x["input"], x["residual"], out=total)
        return {"output": normalised(total), "sum": total}

    return {"add + layer_norm": run}


def rms_norm(sizes, x):
    def composed(values):
        factor = torch.rsqrt(values.square().mean(-1, keepdim=True) + EPSILON)
        return (values * factor).mul_(x["weight"])

    ways = {"composed": composed}
    fused = getattr(functional, "rms_norm", None)
    if fused is not None:
        ways["rms_norm"] = lambda values: fused(
            values, (sizes["width"],), x["weight"], EPSILON)
    if not sizes["residual"]:
        return {
            name: lambda norm=norm: {"output": norm(x["input"])} for name, norm in ways.items()}
    total = torch.empty_like(x["input"])

    def run(norm):
        torch.add(x["input"], x["residual"], out=total)
        return {"output": norm(total), "sum": total}

    return {"add + " + name: lambda norm=norm: run(norm) for name, norm in ways.items()}


def linear(sizes, x):
    return {"linear": lambda: {"output": functional.linear(x["input"], x["weight"], x["bias"])}}


def feed_forward(sizes, x):
    approximation = "none" if sizes["activation"] == "gelu" else "tanh"

    def run():
        hidden = functional.linear(x["input"], x["weight1"], x["bias1"])
        active = functional.gelu(hidden, approximate=approximation)
        return {"output": functional.linear(active, x["weight2"], x["bias2"])}

    return {"linear + gelu + linear": run}


OPS = {
    "attention-forward": attention_forward,
    "attention-backward": attention_backward,
    "layer-norm": layer_norm,
    "rms-norm": rms_norm,
    "linear": linear,
    "feed-forward": feed_forward,
    "gpt-prompt": pytorch_gpt.prompt,
    "gpt-decode": pytorch_gpt.decode,
    "gpt-train": pytorch_gpt.train,
}


class Peer:
    """Answers requests; the works of a variant take turns with the copies of the inputs."""

    def __init__(self):
        self.works = {}
        self.next = 0

    def hello(self):
        return {"peer": "PyTorch", "versions": {
            "PyTorch": torch.__version__, "vectors": vectors(), "BLAS": blas(),
            "Python": sys.version.split()[0]}}

    def prepare(self, folder):
        self.release()
        with open(os.path.join(folder, "case.json"), encoding="utf-8") as file:
            case = json.load(file)
        if case["op"] not in OPS:
            raise Cannot("no op '%s'" % case["op"])
        for _ in range(case["copies"]):
            inputs = {name: read(folder, name, dims) for name, dims in case["shapes"].items()}
            for name, work in OPS[case["op"]](case["sizes"], inputs).items():
                self.works.setdefault(name, []).append(work)
        return list(self.works)

    def run(self, variant, calls):
        works = self.works[variant]
        times = []
        for _ in range(int(calls)):
            self.next += 1
            work = works[self.next % len(works)]
            start = time.perf_counter()
            outputs = work()
            times.append((time.perf_counter() - start) * 1e3)
            del outputs
        return times

    def write(self, variant, folder):
        for name, tensor in self.works[variant][0]().items():
            write(folder, name, tensor)
        return []

    def release(self):
        self.works = {}
        return []


def main():
    torch.set_num_threads(int(sys.argv[1]))
    torch.set_grad_enabled(False)
    peer = Peer()
    for line in sys.stdin:
        word, *words = line.rstrip("\n").split("\t")
        try:
            if word not in ("hello", "prepare", "run", "write", "release"):
                raise ValueError("'%s' is no request" % word)
            answer = "ok " + json.dumps(getattr(peer, word)(*words))
        except Cannot as reason:
            answer = "cannot %s" % reason
        except Exception as error:  # The driver prints it and goes on without this peer.
            answer = "error " + " ".join(("%s: %s" % (type(error).__name__, error)).split())
        print(answer, flush=True)


if __name__ == "__main__":
    main()
