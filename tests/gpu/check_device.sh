#!/usr/bin/env bash
# On a machine with a GPU, from a checkout: the GPU's tests with warnings as errors, what mcflow says of the device, large
# studies of both methods judged by verify, the default study with kernels to compile and with kernels kept, and the rates.
# Under ten minutes.
# bash tests/gpu/check_device.sh [FOLDER for what it writes]
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
out="${1:-$(mktemp -d)}"
mcflow=(python3 -m mcflow)
failed=0
step() { # a name, a limit in seconds, a command
    local name="$1" limit="$2" begin=$SECONDS code
    shift 2
    timeout "$limit" "$@" >"$out/$name.txt" 2>&1
    code=$?
    echo "== $name: exit $code, $((SECONDS - begin)) s"
    tail -n "${LINES_OF_EACH:-6}" "$out/$name.txt"
    [ "$code" -eq 0 ] || failed=1
}

step versions 60 python3 -c "import numpy, numba, numba_cuda; print(numpy.__version__, numba.__version__, numba_cuda.__version__)"
step doctor 60 "${mcflow[@]}" doctor
step tests 280 python3 -m pytest tests/gpu -m gpu -q -n 14 -p no:cacheprovider
step collapsed 200 "${mcflow[@]}" run --device cuda --scheme kaiming_normal --scheme orthogonal --activation relu --activation tanh --activation gelu \
    --depth 20 --width 128 --batch 2 --networks 40000 --quiet -o "$out/collapsed.h5"
step verify_collapsed 100 "${mcflow[@]}" verify "$out/collapsed.h5"
step million 120 "${mcflow[@]}" run --device cuda --method collapsed --keep summary --networks 1000000 --scheme kaiming_normal \
    --activation relu --depth 20 --width 256 --quiet -o "$out/million.h5"
step verify_million 60 "${mcflow[@]}" verify "$out/million.h5"
step direct 120 "${mcflow[@]}" run --device cuda --method direct --scheme lecun_uniform --activation tanh --depth 10 --width 256 \
    --batch 4 --networks 20000 --quiet -o "$out/direct.h5"
step verify_direct 60 "${mcflow[@]}" verify "$out/direct.h5"
export NUMBA_CACHE_DIR="$out/kernels" # compiled in the first run, read in the second
step default_cold 120 bash -c 'time "$@"' - "${mcflow[@]}" run --device cuda --quiet -o "$out/cold.h5"
step default_warm 60 bash -c 'time "$@"' - "${mcflow[@]}" run --device cuda --quiet -o "$out/warm.h5"
step doctor_with_kernels 60 "${mcflow[@]}" doctor
step rates 120 python3 tests/benchmarks/cuda_rates.py
exit "$failed"
