#!/bin/sh
# Checks the model of the reader gate: sh tests/Embedding.Wrapper.GateModel/check.sh [all]
# Needs spin and gcc. Without "all" it leaves out the larger runs, which take minutes and up to 3 GB.
set -eu
model="$(cd "$(dirname "$0")" && pwd)/gate.pml"
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
cd "$folder"

# check RESULT OPTIONS...: RESULT is the text that the checker must print.
check() {
    expected="$1"
    shift
    spin "$@" -a "$model"
    gcc -O2 -DSAFETY -DCOLLAPSE -DMEMLIM=3000 -o pan pan.c
    result="$(./pan -m2000000)"
    if echo "$result" | grep -qF "$expected" && ! echo "$result" | grep -qE "out of memory|search depth too small"; then
        echo "ok: $* ($expected)"
    else
        echo "$result"
        echo "FAILED: $* (wanted: $expected)"
        exit 1
    fi
}

# Faults that the model must find.
check "assertion violated" -DNO_BARRIER -DCHANGE
check "assertion violated" -DNO_BARRIER -DMOVE
check "assertion violated" -DNO_BARRIER -DDISPOSE
check "assertion violated" -DNO_RETRY -DCHANGE
check "assertion violated" -DONE_ENTRY -DCHANGE
check "invalid end state" -DNESTED_WAITS -DCHANGE -DCHANGE_MEMORY

# The gate as it is.
check "errors: 0" -DCHANGE
check "errors: 0" -DMOVE
[ "${1:-}" = all ] || exit 0
check "errors: 0" -DCHANGE -DDISPOSE
check "errors: 0" -DONE_READER -DCHANGE -DCHANGE_MEMORY -DMOVE -DDISPOSE
check "errors: 0" -DONE_READER -DTHREADS=2 -DCHANGE -DMOVE
