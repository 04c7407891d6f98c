# Sourced by the scripts beside it, not run: their usage, numbers that bash may compute with, torchrun.

# Print a script's line of usage and leave: usage SCRIPT
usage() {
    sed -n 's/^# \(usage: .*\)/\1/p' "$1" >&2
    exit 2
}

# Say whether a text is a whole number from 1 on. Bash evaluates arithmetic text, so it must be digits alone.
is_count() {
    [[ $1 =~ ^[1-9][0-9]{0,3}$ ]]
}

# Pass torchrun's errors on; after a failure repeat the one line that says why, which pages of traceback follow.
pass_errors() {
    local line reason='' port='' failed=''
    trap '' INT TERM # torchrun and its processes end first
    while IFS= read -r line || [[ -n $line ]]; do
        printf '%s\n' "$line" >&2
        case $line in
            'error: '*) reason=${reason:-$line} ;;
            *EADDRINUSE*) port="error: port ${PORT:-29500} is in use: set PORT to another number" ;;
            *ChildFailedError*) failed=yes ;;
        esac
    done
    if [[ -n $port || ( -n $failed && -n $reason ) ]]; then
        printf '%s\n' "${port:-$reason}" >&2
    fi
}

# Replace this process by torchrun: launch GPUS SCRIPT.py ARGUMENTS...
launch() {
    local gpus=$1 cores
    shift
    cores=$(getconf _NPROCESSORS_ONLN)
    # Each process gets its share of the cores; torchrun's own choice would be one thread.
    export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((cores / gpus > 0 ? cores / gpus : 1))}
    exec "${PYTHON:-python}" -m torch.distributed.run \
        --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" \
        --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
        --nproc_per_node="$gpus" "$@" 2> >(pass_errors)
}
