"""Puts a run's files together: python3 report.py --results FOLDER writes results.json and .md."""

import argparse
import json
import pathlib

import ptxas

GPU_BACKENDS = ("cuda", "ilgpu-cuda", "ilgpu-opencl")


def load(path):
    """A JSON file; None where it is absent or cut short."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def gpu_backends(devices):
    """Names of the available backends that run on a GPU."""
    return [row["name"] for row in (devices or {}).get("backends", [])
            if row["available"] and row["name"] in GPU_BACKENDS]


def steps(folder):
    """What was done: name, exit code or why it was left out, seconds."""
    rows = []
    path = folder / "steps.tsv"
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        name, result, seconds = line.split("\t")
        rows.append({"step": name, "result": result, "seconds": int(seconds)})
    return rows


def resources(folder):
    """Registers, shared memory and spills of each kernel, from what ptxas -v says."""
    rows = []
    for log in ("compile-sources.log", "assemble-ptx.log"):
        path = folder / log
        if path.exists():
            rows += ptxas.kernels(path.read_text(encoding="utf-8").splitlines())
    return rows


def verified(folder):
    """Passed, failed and unsupported cases of each backend."""
    rows = []
    for path in sorted(folder.glob("verify-*.json")):
        report = load(path)
        cases = report["rows"] if isinstance(report, dict) else report or []
        skipped = [row for row in cases if row.get("unsupported") is not None]
        passed = [row for row in cases if row.get("passed")]
        rows.append({"backend": path.stem[len("verify-"):], "passed": len(passed),
                     "failed": len(cases) - len(passed) - len(skipped),
                     "unsupported": len(skipped)})
    return rows


def speed(folder):
    """Our times beside the fastest way of PyTorch on the same work."""
    torch = load(folder / "torch.json") or {"rows": []}
    ways = {}
    for row in torch["rows"]:
        if row["ms"] is not None:
            key = row["op"], row["shape"], row["direction"], row["dtype"]
            ways.setdefault(key, []).append((row["ms"], row["way"]))
    rows, used = [], set()
    for path in sorted(folder.glob("bench-*.json")):
        for row in (load(path) or {"rows": []})["rows"]:
            key = row["op"], row["shape"], row["direction"], row["dtype"]
            best = min(ways.get(key, [(None, None)]), key=lambda way: way[0] or 0)
            used.add(key)
            both = row["ms"] is not None and best[0] is not None
            rows.append({
                "op": key[0], "shape": key[1], "direction": key[2], "dtype": key[3],
                "backend": row["backend"], "ms": row["ms"], "gflops": row["gflops"],
                "gbs": row["gbs"], "unsupported": row["unsupported"], "torchMs": best[0],
                "torchWay": best[1], "overTorch": best[0] / row["ms"] if both else None,
            })
    for key, found in ways.items():
        if key not in used:
            best = min(found)
            rows.append({
                "op": key[0], "shape": key[1], "direction": key[2], "dtype": key[3],
                "backend": None, "ms": None, "gflops": None, "gbs": None, "unsupported": None,
                "torchMs": best[0], "torchWay": best[1], "overTorch": None,
            })
    return rows


def number(value, digits=3):
    """A figure for people."""
    return "–" if value is None else f"{value:.{digits}f}"


def table(headers, rows):
    """A table in Markdown."""
    lines = [f"| {' | '.join(headers)} |", f"|{' --- |' * len(headers)}"]
    return lines + [f"| {' | '.join(str(cell) for cell in row)} |" for row in rows] + [""]


def markdown(result, machine):
    """The same for people."""
    lines = ["# Results of the GPU suite", "", "```", machine.strip(), "```", "", "## Steps", ""]
    lines += table(["step", "result", "seconds"], [
        (row["step"], "done" if row["result"] == "0" else row["result"], row["seconds"])
        for row in result["steps"]])
    lines += ["## Verified", ""] + table(["backend", "passed", "failed", "unsupported"], [
        (row["backend"], row["passed"], row["failed"], row["unsupported"])
        for row in result["verified"]])
    if result["torchLimits"]:
        lines += ["## Limits, by PyTorch", ""] + table(
            ["limit", "value"],
            [(name, number(value, 1)) for name, value in result["torchLimits"].items()])
    lines += ["## Speed", ""] + table(
        ["op", "shape", "type", "direction", "backend", "ms", "GFLOP/s", "GB/s", "PyTorch ms",
         "its way", "× PyTorch"],
        [(row["op"], row["shape"], row["dtype"], row["direction"], row["backend"] or "–",
          number(row["ms"]), number(row["gflops"], 0), number(row["gbs"], 0),
          number(row["torchMs"]), row["torchWay"] or "–", number(row["overTorch"], 2))
         for row in result["speed"] if row["unsupported"] is None])
    lines += ["## Registers and shared memory, by ptxas", ""] + table(
        ["source", "kernel", "registers", "shared bytes", "spilled bytes"],
        [(row["source"], row["kernel"], row["registers"], row["sharedBytes"],
          row["spillStoreBytes"] + row["spillLoadBytes"]) for row in result["resources"]])
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--backends", type=pathlib.Path, help="prints the GPU backends of a file "
                        "that `devices --json` wrote")
    options = parser.parse_args()
    if options.backends:
        print(" ".join(gpu_backends(load(options.backends))))
        return
    folder = options.results
    torch = load(folder / "torch.json") or {}
    result = {
        "steps": steps(folder), "devices": load(folder / "devices.json"),
        "verified": verified(folder), "speed": speed(folder), "resources": resources(folder),
        "torch": torch.get("torch"), "torchLimits": torch.get("limits"),
    }
    machine = folder / "machine.log"
    text = machine.read_text(encoding="utf-8") if machine.exists() else ""
    result["machine"] = text.splitlines()
    (folder / "results.json").write_text(
        json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")
    (folder / "results.md").write_text(markdown(result, text), encoding="utf-8")
    print(f"{folder}/results.json and {folder}/results.md")


if __name__ == "__main__":
    main()
