"""What NVIDIA's assembler says of kernels.

python3 ptxas.py --out FILE.md [--ptxas PTXAS] NAME.sm_NN.ptx… assembles the PTX that devices of
each architecture would take and writes a table of registers and spills.
"""

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

# Devices of the table: the oldest, the first with cp.async and bf16, Hopper.
TARGETS = ("sm_75", "sm_80", "sm_90a")


def kernels(lines):
    """Each kernel's name, registers, shared memory and spills, from what ptxas -v prints. Lines
    that start with '# ' name the source of what follows."""
    rows, source, kernel, spills = [], "", "", (0, 0)
    for line in lines:
        if line.startswith("# "):
            source = line[2:].strip()
        elif match := re.search(r"Compiling entry function '(\S+)'", line):
            kernel = match.group(1)
        elif match := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spills = int(match.group(1)), int(match.group(2))
        elif match := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            rows.append({
                "source": source, "kernel": kernel, "registers": int(match.group(1)),
                "sharedBytes": int(shared.group(1)) if shared else 0,
                "spillStoreBytes": spills[0], "spillLoadBytes": spills[1],
            })
            spills = 0, 0
    return rows


def order(target):
    """10 · 80 of sm_80; the one that runs on a single device follows."""
    number = target.removeprefix("sm_")
    return 10 * int(number.rstrip("a")) + number.endswith("a")


def taken(files, target):
    """The file of each source that a device of the architecture takes: the newest that runs."""
    found = {}
    for path in files:
        name, own = path.name.removesuffix(".ptx").rsplit(".", 1)
        runs = own == target if own.endswith("a") else order(own) <= order(target)
        if runs and (name not in found or order(own) > order(found[name][0])):
            found[name] = own, path
    return {name: path for name, (_, path) in found.items()}


def assemble(ptxas, path, target):
    """Rows of a file's kernels on an architecture."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [ptxas, "-v", f"-arch={target}", "-o", f"{folder}/kernel.cubin", str(path)],
            capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{path} for {target}: {(done.stderr or done.stdout).strip()}")
    return kernels((done.stderr + done.stdout).splitlines())


def cell(row):
    """Registers, and what did not fit into them; nothing for a kernel that does nothing there."""
    if row is None or row["registers"] <= 4:
        return "–"
    spilled = row["spillStoreBytes"] + row["spillLoadBytes"]
    return f"{row['registers']} + {spilled} B" if spilled else str(row["registers"])


def table(ptxas, files):
    """The whole table as Markdown."""
    found = {}
    for target in TARGETS:
        for name, path in taken(files, target).items():
            for row in assemble(ptxas, path, target):
                found.setdefault((name, row["kernel"]), {})[target] = row
    version = subprocess.run([ptxas, "--version"], capture_output=True, text=True, check=True)
    release = re.search(r"release ([\d.]+)", version.stdout)
    lines = [
        "# Registers of the kernels",
        "",
        "Registers of a thread on each architecture, and bytes of spills (stores and loads) where",
        f"there are any, as ptxas of CUDA {release.group(1) if release else '?'} assembles the PTX "
        "that such a device takes.",
        "– where it takes another kernel. Kernels have no shared memory of their own: launches "
        "bring it. Written by",
        "`dotnet msbuild native/native.proj -t:Resources [-p:Ptxas=FILE]`.",
    ]
    for source in sorted({name for name, _ in found}):
        lines += ["", f"## {source}", "", f"| kernel | {' | '.join(TARGETS)} |",
                  f"| --- |{' ---: |' * len(TARGETS)}"]
        for (name, kernel), rows in sorted(found.items()):
            if name == source:
                cells = " | ".join(cell(rows.get(target)) for target in TARGETS)
                lines.append(f"| {kernel} | {cells} |")
    shared = [kernel for (_, kernel), rows in found.items()
              for row in rows.values() if row["sharedBytes"]]
    if shared:
        sys.exit(f"shared memory of their own: {', '.join(sorted(set(shared)))}")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ptxas", default="ptxas")
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    options = parser.parse_args()
    options.out.write_text(table(options.ptxas, options.files), encoding="utf-8")
    print(options.out)


if __name__ == "__main__":
    main()
