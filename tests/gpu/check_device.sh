#!/usr/bin/env bash
# Everything that a GPU has to show, in one call of under eight minutes, from a checkout: see tests/gpu/README.md.
#   bash tests/gpu/check_device.sh [FOLDER for what it writes]
# PYTHON names the interpreter (python3), CHECK_SECONDS how long it may take in all. Exit code 1 where a step failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 2
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
python="${PYTHON:-python3}"
out="${1:-$(mktemp -d)}"
mkdir -p "$out" && out="$(cd "$out" && pwd)" || exit 2
end=$((SECONDS + ${CHECK_SECONDS:-470}))
summary="$out/summary.txt"
: >"$summary"
failed=0
export NUMBA_CACHE_DIR="$out/kernels" # a machine that has been here before is bare again

now() { date +%s.%N; }
# say NAME RESULT BEGIN [LINES of its output, from the end]: a line of the summary, and what it printed last
say() {
    local text # whole, since steps may run side by side
    text="$(
        printf '%-18s %-9s %6.1f s\n' "$1" "$2" "$(echo "$(now) $3" | awk '{print $1 - $2}')"
        tail -n "${4:-1}" "$out/$1.txt" | cut -c 1-110 | sed 's/^/    /'
    )"
    echo "$text" | tee -a "$summary"
}
# step NAME LIMIT LINES COMMAND...: run it for at most LIMIT seconds, and no longer than there is time in all
step() {
    local name="$1" limit="$2" lines="$3" begin code left=$((end - SECONDS))
    shift 3
    begin="$(now)"
    if [ "$left" -lt 5 ]; then
        echo "no time was left for it" >"$out/$name.txt"
        say "$name" "left out" "$begin"
        failed=1
        return 1
    fi
    timeout --kill-after=5 "$((limit < left ? limit : left))" "$@" >"$out/$name.txt" 2>&1
    code=$?
    case "$code" in
    0) say "$name" ok "$begin" "$lines" ;;
    124 | 137) say "$name" "too long" "$begin" "$lines" ;;
    *) say "$name" "exit $code" "$begin" "$lines" ;;
    esac
    [ "$code" -eq 0 ] || failed=1
    return "$code"
}
# study NAME ARGUMENTS...: a study on the GPU, and what verify says of it
study() {
    local name="$1"
    shift
    "$python" -m mcflow run --device cuda --quiet -o "$out/$name.h5" "$@" && "$python" -m mcflow verify "$out/$name.h5"
}
export -f study
export python out

{
    date -u +"%Y-%m-%d %H:%M UTC"
    git rev-parse --short HEAD 2>/dev/null | sed 's/^/commit /'
    nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,memory.total --format=csv,noheader 2>/dev/null ||
        echo "nvidia-smi is not there"
    "$python" - <<'PYTHON'
import os, platform
from importlib import metadata
def version(name):
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return f"no {name}"
names = ("numpy", "numba", "numba-cuda", "cuda-toolkit", "torch", "pytest", "pytest-xdist", "pytest-benchmark")
print(f"Python {platform.python_version()}, {os.cpu_count()} cores; " + ", ".join(map(version, names)))
PYTHON
} 2>&1 | tee -a "$summary"

if ! step doctor 60 1 "$python" -m mcflow doctor; then
    echo "mcflow does not start here; nothing else is tried" | tee -a "$summary"
    exit 1
fi
reason="$("$python" -c "from mcflow.sampling import cuda_detection; print(cuda_detection.reason())" 2>&1 | tail -n 1)"
if [ -n "$reason" ]; then
    echo "no GPU: $reason" | tee -a "$summary"
    exit 1
fi

# The suite: warnings are errors; twins of both methods, kill -9 and resume on the GPU and from it to the processor.
if "$python" -c "import pytest, xdist" 2>"$out/suite.txt"; then
    step suite 200 4 "$python" -m pytest tests/gpu -m gpu -q -n "$(($(nproc) > 15 ? 14 : $(nproc)))" -p no:cacheprovider
else
    say suite "left out" "$(now)" # for want of pytest or pytest-xdist, which its last line names
    failed=1
fi

# Large studies judged by verify, side by side: what takes long in them is compiling.
pids=()
step verify_million 110 2 bash -c 'study million "$@"' - --method collapsed --keep summary --networks 1000000 \
    --scheme kaiming_normal --activation relu --depth 20 --width 256 &
pids+=($!)
step verify_collapsed 110 2 bash -c 'study collapsed "$@"' - --scheme kaiming_normal --scheme orthogonal \
    --activation gelu --depth 20 --width 128 --batch 2 --networks 40000 --method collapsed &
pids+=($!)
step verify_direct 110 2 bash -c 'study direct "$@"' - --method direct --scheme lecun_uniform --activation tanh \
    --depth 10 --width 256 --batch 16 --networks 20000 &
pids+=($!)
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done

# What a user waits for: the default study with its kernels to compile, and with kernels that were kept.
export NUMBA_CACHE_DIR="$out/kernels_of_default"
step default_cold 80 1 "$python" -m mcflow run --device cuda --quiet -o "$out/cold.h5"
step default_warm 40 1 "$python" -m mcflow run --device cuda --quiet -o "$out/warm.h5"
export NUMBA_CACHE_DIR="$out/kernels"

step rates 190 60 "$python" tests/benchmarks/cuda_rates.py --seconds "$((end - SECONDS > 190 ? 130 : end - SECONDS - 60))"
echo "$((SECONDS)) s in all; $([ "$failed" -eq 0 ] && echo "every step is ok" || echo "NOT every step is ok"); $out" | tee -a "$summary"
exit "$failed"
