#!/bin/bash
# Tracks an archive on several machines of a Slurm cluster: sbatch slurm.sh SOURCE OUT
# Submit it again after an interruption: it does what is missing, and nothing else.
#SBATCH --job-name=mapt-track
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
#SBATCH --requeue
set -euo pipefail
source_uri=${1:?name the recordings: a folder, a list, or s3://BUCKET/PREFIX}
out=${2:?name the archive: a folder that every machine sees, or s3://BUCKET/PREFIX}

port=6379
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | awk '{print $1}')

srun --nodes=1 --ntasks=1 --nodelist="$head" \
  ray start --head --node-ip-address="$address" --port="$port" \
  --num-cpus="$SLURM_CPUS_PER_TASK" --disable-usage-stats --block &
until ray status --address "$address:$port" >/dev/null 2>&1; do
  sleep 2
done
others=$((SLURM_JOB_NUM_NODES - 1))
if [ "$others" -gt 0 ]; then
  srun --nodes="$others" --ntasks="$others" --exclude="$head" \
    ray start --address="$address:$port" --num-cpus="$SLURM_CPUS_PER_TASK" --block &
fi

mapt track "$source_uri" --engine ray --address "$address:$port" --out "$out" \
  --workers "$((SLURM_JOB_NUM_NODES * SLURM_CPUS_PER_TASK))" --save json,step
