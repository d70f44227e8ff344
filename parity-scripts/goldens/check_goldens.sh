#!/usr/bin/env bash
# PYTHON names a Python that has PyTorch. The default is Debian's own (apt-get install python3-torch).
set -euo pipefail
exec "${PYTHON:-/usr/bin/python3}" -B "$(dirname "$0")/generate.py" check
