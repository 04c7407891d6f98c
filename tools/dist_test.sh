#!/usr/bin/env bash
# Distributed testing with torchrun: one process a GPU, or as many processes on the CPU where there is none.
# usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]
# On several machines set NNODES, NODE_RANK, MASTER_ADDR and PORT, as in MMSegmentation.
set -euo pipefail
if [ $# -lt 3 ]; then
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
shift 3
HERE=$(cd "$(dirname "$0")" && pwd)
PYTHON=${PYTHON:-python}
# Each process gets its share of the cores; torchrun's own choice would be one thread.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$(( $(getconf _NPROCESSORS_ONLN) / GPUS > 0 ? $(getconf _NPROCESSORS_ONLN) / GPUS : 1 ))}
exec "$PYTHON" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    --nproc_per_node="$GPUS" \
    "$HERE/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"
