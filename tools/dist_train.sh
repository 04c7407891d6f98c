#!/usr/bin/env bash
# Distributed training with torchrun: one process a GPU, or as many processes on the CPU where there is none.
# On several machines set NNODES, NODE_RANK, MASTER_ADDR and PORT, as in MMSegmentation.
# usage: bash tools/dist_train.sh CONFIG GPUS [options of tools/train.py], GPUS being a whole number from 1 on
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
source "$HERE/launch.sh"
if [ $# -lt 2 ] || ! is_count "$2"; then
    usage "$0"
fi
CONFIG=$1
GPUS=$2
shift 2
launch "$GPUS" "$HERE/train.py" "$CONFIG" --launcher pytorch "$@"
