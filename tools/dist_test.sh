#!/usr/bin/env bash
# Distributed testing with torchrun: one process a GPU, or as many processes on the CPU where there is none.
# On several machines set NNODES, NODE_RANK, MASTER_ADDR and PORT, as in MMSegmentation.
# usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py], GPUS being a whole number from 1 on
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
source "$HERE/launch.sh"
if [ $# -lt 3 ] || ! is_count "$3"; then
    usage "$0"
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
shift 3
launch "$GPUS" "$HERE/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
