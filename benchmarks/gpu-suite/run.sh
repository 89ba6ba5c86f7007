#!/usr/bin/env bash
# Proves and measures the GPU kernels on this machine: ./run.sh [--quick] [--out FOLDER]
# Needs NVIDIA's driver; uses nvcc, ptxas, compute-sanitizer and python3 with PyTorch where they
# are, and says what it left out. Results: FOLDER/results.json, FOLDER/results.md, FOLDER/*.log.
set -uo pipefail
cd "$(dirname "$0")"
out=results quick=''
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=--quick; shift ;;
    --out) out=${2:?--out needs a folder}; shift 2 ;;
    *) sed -n '2,4s/^# //p' "$0" >&2; exit 2 ;;
  esac
done
mkdir -p "$out"
rm -f "$out"/steps.tsv "$out"/*.log "$out"/*.json
transformer=./transformer/Transformer.Cli
python=$(command -v python3 || true)
export PATH="$PATH:/usr/local/cuda/bin" TRANSFORMER_TRACE=1

step() { # step NAME COMMAND…: one more line of steps.tsv, the output in NAME.log
  local name=$1 begin code; shift
  echo "== $name"
  begin=$(date +%s)
  "$@" >"$out/$name.log" 2>&1
  code=$?
  printf '%s\t%s\t%s\n' "$name" "$code" "$(($(date +%s) - begin))" >>"$out/steps.tsv"
  [ "$code" -eq 0 ] || { echo "   exit code $code:"; tail -n 5 "$out/$name.log" | sed 's/^/   /'; }
  return "$code"
}

left_out() { # left_out NAME REASON
  echo "== $1: left out, $2"
  printf '%s\t%s\t%s\n' "$1" "left out: $2" 0 >>"$out/steps.tsv"
}

# Every kernel from its source, and the PTX that the program carries, by NVIDIA's own assembler:
# registers, shared memory and spills are in the logs.
compile_sources() {
  local file arch work; work=$(mktemp -d)
  for arch in sm_75 sm_80 sm_90a; do
    for file in native/*/*.cu; do
      echo "# source $file $arch"
      nvcc -cubin -std=c++17 -O3 -gencode="arch=compute_${arch#sm_},code=$arch" -Xptxas -v -o "$work/kernel.cubin" "$file" || return
    done
  done
  rm -rf "$work"
}
assemble_ptx() {
  local file arch work; work=$(mktemp -d)
  for file in ptx/*.ptx; do
    arch=${file%.ptx}; arch=${arch##*.}
    # PTX of an older device is what a newer one gets, too.
    for arch in "$arch" sm_90a; do
      echo "# ptx $file $arch"
      ptxas -v -arch="$arch" -o "$work/kernel.cubin" "$file" || return
    done
  done
  rm -rf "$work"
}
machine() {
  nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit \
    --format=csv
  nvcc --version 2>/dev/null | tail -n 2
  uname -sr
}

step machine machine
if command -v nvcc >/dev/null; then step compile-sources compile_sources
else left_out compile-sources "no nvcc"; fi
if command -v ptxas >/dev/null; then step assemble-ptx assemble_ptx
else left_out assemble-ptx "no ptxas"; fi

step devices "$transformer" devices --json "$out/devices.json"
# Every available backend that runs on a GPU. Without Python, the one that is always there.
if [ -n "$python" ]; then
  backends=$("$python" report.py --backends "$out/devices.json")
else
  backends=cuda
  left_out ilgpu-cuda "no python3 to read which backends devices.json has"
fi
no_backend() { echo "no GPU backend is available; devices.log tells why"; return 1; }
[ -n "$backends" ] || step verify no_backend
for backend in $backends; do
  step "verify-$backend" "$transformer" verify $quick --backend "$backend" \
    --json "$out/verify-$backend.json"
  for tool in memcheck racecheck; do
    if command -v compute-sanitizer >/dev/null; then
      step "$tool-$backend" compute-sanitizer --tool "$tool" --error-exitcode 9 \
        --target-processes all "$transformer" verify --quick --backend "$backend"
    else left_out "$tool-$backend" "no compute-sanitizer"; fi
  done
  for size in base large; do
    step "bench-$size-$backend" "$transformer" bench --size "$size" --backend "$backend" \
      --json "$out/bench-$size-$backend.json"
  done
done

if [ -n "$python" ] && "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' \
  2>/dev/null; then
  bench=()
  for file in "$out"/bench-*.json; do [ -e "$file" ] && bench+=(--bench "$file"); done
  step torch "$python" torch_peers.py "${bench[@]}" --targets --out "$out/torch.json"
else left_out torch "no python3 with a PyTorch that sees the GPU"; fi

if [ -n "$python" ]; then "$python" report.py --results "$out" || exit 1
else echo "no python3: the results stay in $out/*.json and $out/*.log"; fi
! awk -F'\t' '$2 != 0 && $2 !~ /^left out/ { bad = 1 } END { exit !bad }' "$out/steps.tsv"
