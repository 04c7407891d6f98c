#!/usr/bin/env bash
# Training on a Slurm cluster. GPUS, GPUS_PER_NODE and CPUS_PER_TASK (8, 8, 5 unless set) are whole numbers from 1 on;
# SRUN_ARGS holds further options of srun.
# usage: [GPUS=N] [GPUS_PER_NODE=N] [CPUS_PER_TASK=N] [SRUN_ARGS=...] bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG [options of tools/train.py]
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
source "$HERE/launch.sh"
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
CPUS_PER_TASK=${CPUS_PER_TASK:-5}
if [ $# -lt 3 ] || ! is_count "$GPUS" || ! is_count "$GPUS_PER_NODE" || ! is_count "$CPUS_PER_TASK"; then
    usage "$0"
fi
PARTITION=$1
JOB_NAME=$2
CONFIG=$3
shift 3
read -ra MORE <<< "${SRUN_ARGS:-}"
exec srun -p "$PARTITION" --job-name="$JOB_NAME" --gres=gpu:"$GPUS_PER_NODE" \
    --ntasks="$GPUS" --ntasks-per-node="$GPUS_PER_NODE" --cpus-per-task="$CPUS_PER_TASK" \
    --kill-on-bad-exit=1 ${MORE[@]+"${MORE[@]}"} \
    "${PYTHON:-python}" -u "$HERE/train.py" "$CONFIG" --launcher slurm "$@"
