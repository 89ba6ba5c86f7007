"""A fixture file: cases of named tensors, written as safetensors, and its line in the README.

Inputs are float64 tensors whose values are float32 numbers, stored as F32: a float32 kernel and
a float64 reference read exactly the same problem. Results are stored as F64.
"""
import json
import re
import struct

import torch

CODES = {
    torch.float64: "F64",
    torch.int64: "I64",
    torch.float32: "F32",
    torch.bool: "BOOL",
}
ORDER = list(CODES.values())  # widest first, so that every tensor is naturally aligned


def real(*shape, scale=1.0):
    """Normal random numbers that float32 represents exactly, as float64."""
    return (torch.randn(*shape, dtype=torch.float64) * scale).float().double()


class Case:
    """One problem: what goes in (`inputs`), what comes out (`results`), textual options."""

    def __init__(self, name):
        self.name, self.inputs, self.results, self.options, self.leaves = name, {}, {}, {}, {}

    def input(self, name, value):
        """Records an input and hands it back as it was recorded."""
        value = torch.as_tensor(value).detach()
        if value.is_floating_point():
            value = value.double()
            stored = value.float()
            same = torch.equal(stored.double(), value)
            assert same, f"{self.name}/{name}: not representable in float32"
            self.inputs[name] = stored
        else:
            self.inputs[name] = value
        return value

    def leaf(self, name, value):
        """Records an input that has a gradient."""
        self.leaves[name] = self.input(name, value).clone().requires_grad_()
        return self.leaves[name]

    def parameters(self, module):
        """Gives a module random float32 numbers and records them by PyTorch's names."""
        module.double()
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                centre = 1.0 if re.search(r"(norm\d?|ln_\w)\.weight$", name) else 0.0
                width = parameter.shape[-1] if parameter.dim() > 1 else 16
                parameter.copy_((centre + real(*parameter.shape) / width**0.5).float())
                self.input(name, parameter)
                self.leaves[name] = parameter
        return module

    def result(self, name, value):
        value = torch.as_tensor(value).detach()
        self.results[name] = value.double() if value.is_floating_point() else value

    def option(self, name, text):
        self.options[name] = str(text)

    def backward(self, output, name="output"):
        """Draws the upstream gradient `d_<name>` and records the gradient of every leaf."""
        self.result(name, output)
        output.backward(self.input(f"d_{name}", real(*output.shape)))
        for leaf, tensor in self.leaves.items():
            self.result(f"d_{leaf}", tensor.grad)


class FixtureFile:
    def __init__(self, name, about, seed):
        torch.manual_seed(seed)
        self.name, self.about, self.seed, self.cases = name, about, seed, []

    def case(self, name):
        self.cases.append(Case(name))
        return self.cases[-1]

    def write(self, folder, metadata):
        tensors, texts = {}, dict(metadata, seed=str(self.seed))
        for case in self.cases:
            for name, value in {**case.inputs, **case.results}.items():
                assert not value.is_floating_point() or not torch.isnan(value).any(), \
                    f"{self.name}/{case.name}/{name} holds NaN"
                tensors[f"{case.name}/{name}"] = value
            texts.update({f"{case.name}/{name}": text for name, text in case.options.items()})
        header, blocks, offset = {"__metadata__": texts}, [], 0
        for name in sorted(tensors, key=lambda n: ORDER.index(CODES[tensors[n].dtype])):
            block = tensors[name].contiguous().numpy().tobytes()
            header[name] = {
                "dtype": CODES[tensors[name].dtype],
                "shape": list(tensors[name].shape),
                "data_offsets": [offset, offset + len(block)],
            }
            offset += len(block)
            blocks.append(block)
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        path = folder / f"{self.name}.safetensors"
        path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(blocks))
        return path.stat().st_size

    def describe(self):
        """The file's section of the README."""
        lines, listed = [f"### {self.name}", "", self.about, ""], {}
        for case in self.cases:
            options = ", ".join(f"{name} = `{text}`" for name, text in case.options.items())
            line = f"- **{case.name}**" + (f" ({options})" if options else "")
            tensors = [f"  - in: {listing(case.inputs)}", f"  - out: {listing(case.results)}"]
            first = listed.setdefault("".join(tensors), case.name)
            if first == case.name:
                lines += [line] + tensors
            else:
                lines.append(f"{line}: tensors as in **{first}**")
        return lines + [""]


def listing(tensors):
    usual = {torch.float32: "", torch.float64: ""}
    return ", ".join(
        f"`{name}`{usual.get(value.dtype, ' ' + CODES[value.dtype])} {list(value.shape)}"
        for name, value in tensors.items())
