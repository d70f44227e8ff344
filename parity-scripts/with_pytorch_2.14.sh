#!/usr/bin/env bash
# Runs a command of this repository with PyTorch 2.14.1 and safetensors, in a Debian sid of its own. It needs root, debootstrap and
# 1.7 GB of disk.
#
# PYTORCH_ROOT names the folder of that Debian; if the folder exists, it is used again. sid moves on: once it has a newer PyTorch, set
# DEBIAN_MIRROR to the address of a snapshot of Debian's archive from November 2026.
set -euo pipefail
version=2.14.1
repository=$(cd "$(dirname "$0")/.." && pwd)
export root=${PYTORCH_ROOT:-${XDG_CACHE_HOME:-$HOME/.cache}/embedding-wrapper/pytorch-$version}

if [ ! -x "$root/usr/bin/python3" ]; then
    unfinished=$root.unfinished # an interrupted run must not look like a finished one
    rm -rf "$unfinished"
    mkdir -p "$unfinished"
    debootstrap --variant=minbase --include=python3-torch,python3-safetensors,ca-certificates sid "$unfinished" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >&2
    mv "$unfinished" "$root"
fi

found=$(chroot "$root" dpkg-query --show --showformat='${source:Upstream-Version}' python3-torch)
if [[ $found != "$version"* ]]; then
    echo "$root has PyTorch $found, not $version: remove it and set DEBIAN_MIRROR (see the head of $0)." >&2
    exit 1
fi

# In a mount namespace of its own, the mounts end when the command ends, and parallel runs do not see each other's mounts.
exec unshare --mount bash -euc '
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
    exec chroot "$root" bash -c "cd \"\$1\"; shift; exec \"\$@\"" - "$@"' - "$repository" "$@"
