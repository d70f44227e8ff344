#!/usr/bin/env bash
# Writes the goldens again from both versions, then checks them with both. Only the newer Debian can make those of safetensors.
set -euo pipefail
cd "$(dirname "$0")/../.."
results=parity-scripts/goldens/.results # inside the repository, because the other Debian sees nothing else
trap 'rm -rf "$results"' EXIT
generate=("${PYTHON:-/usr/bin/python3}" -B parity-scripts/goldens/generate.py)
with_2_14=parity-scripts/with_pytorch_2.14.sh

"${generate[@]}" write "$results"
$with_2_14 /usr/bin/python3 -B parity-scripts/goldens/generate.py write "$results"
"${generate[@]}" merge "$results"
"${generate[@]}" check
$with_2_14 parity-scripts/goldens/check_goldens.sh

"${PYTHON:-/usr/bin/python3}" -B parity-scripts/checks/pretrained.py write
$with_2_14 /usr/bin/python3 -B parity-scripts/checks/pretrained.py write
"${PYTHON:-/usr/bin/python3}" -B parity-scripts/checks/pretrained.py check
