#!/bin/bash
# Trains `micro` on synthetic streets alone, within a given time: renders, trains three stages, writes weights. It first
# learns the features of the shipped `nano-synthetic`.
#
#   examples/train_micro.sh MINUTES OUT [--set key=value ...]
#
# OUT/micro.safetensors is the result. How many streets are rendered and how long each stage is follows from MINUTES and
# from the speed of this machine, which a short run measures first. A GPU is used where PyTorch sees one. The same
# command goes on where it was interrupted; what --set says holds for both stages, and last.
set -euo pipefail

usage="usage: examples/train_micro.sh MINUTES OUT [--set key=value ...]"
minutes=${1:?$usage} out=${2:?$usage}
shift 2
if ! [[ $minutes =~ ^[1-9][0-9]*$ ]]; then
  echo "MINUTES is '$minutes'; give a whole number of at least 1" >&2
  exit 2
fi
python=${PYTHON:-python}
mapt() { "$python" -m mapt.cli "$@"; }
teacher=$(cd "$(dirname "$0")/.." && pwd)/weights/nano-synthetic.safetensors
mkdir -p "$out"
began=$SECONDS

# Plan: a fifth of the time for rendering. Of the rest two tenths for the teacher's features, seven for semantics and
# instances, one for motion and appearance.
cores=$(nproc)
device=$("$python" -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')
if [[ $device == cuda ]]; then
  batch=16 pairs=8 rate=0.0006 workers=$((cores > 2 ? cores - 2 : 1)) precision=true
else
  batch=4 pairs=2 rate=0.0003 workers=1 precision=false
fi
# One core draws about two frames of 384x1248 a second. Sequences of six frames: rather more streets than longer ones.
affordable=$((minutes * 60 * cores * 2 / 5 / 6 / 2))
sequences=$((affordable < 4 ? 4 : affordable > 400 ? 400 : affordable))
common=(
  --set "data.synthetic.sequences=$sequences" --set data.synthetic.frames=6 --set "data.synthetic.root=$out/streets"
  --set "data.synthetic_small.sequences=$sequences" --set data.synthetic_small.frames=6
  --set "data.synthetic_small.root=$out/small_streets" --set "data.workers=$workers" --set "bf16=$precision"
)
images=(
  "${common[@]}" --set "data.synthetic_rare.sequences=$sequences" --set data.synthetic_rare.frames=6
  --set "data.synthetic_rare.root=$out/rare_streets" --set "schedule.batch=$batch" --set "schedule.rate=$rate"
)
features=("${images[@]}" --set "teacher=$teacher" --set 'heads=["semantic"]')
heads=("${common[@]}" --set "schedule.batch=$pairs")

# speed NAME ARGUMENTS: seconds of a step, the mean of the later half of a short run. The first one renders.
speed() {
  local name=$1
  shift
  if [[ ! -s $out/$name.seconds ]]; then
    rm -rf "$out/$name.probe"
    mapt train "$@" --set schedule.iterations=8 --set log_every=4 --out "$out/$name.probe" >&2
    tail -n 1 "$out/$name.probe/losses.csv" | cut -d , -f 3 >"$out/$name.seconds.part"
    mv "$out/$name.seconds.part" "$out/$name.seconds"
  fi
  cat "$out/$name.seconds"
}

# stage NAME SECONDS ARGUMENTS: a stage whose schedule fits into SECONDS, ended after a tenth more at the latest.
stage() {
  local name=$1 seconds=$2 step iterations status=0
  shift 2
  if [[ -f $out/$name.done ]]; then return; fi
  step=$(speed "$name" "$@")
  if [[ ! -s $out/$name.iterations ]]; then # kept: a run goes on with the schedule that it began with
    awk -v s="$seconds" -v t="$step" 'BEGIN { n = int(s / t); print (n < 8 ? 8 : n) }' >"$out/$name.iterations.part"
    mv "$out/$name.iterations.part" "$out/$name.iterations"
  fi
  iterations=$(<"$out/$name.iterations")
  echo "$name: $iterations iterations of about $step s"
  timeout --foreground --signal TERM $((seconds + seconds / 10 + 30)) \
    "$python" -m mapt.cli train "$@" --out "$out/$name" --resume \
    --set "schedule.iterations=$iterations" --set "schedule.warmup=$((iterations / 20 + 1))" \
    --set "checkpoint_every=$((iterations / 20 + 1))" || status=$?
  if ((status != 0 && status != 124)); then # 124: out of time, after a checkpoint
    exit "$status"
  fi
  if [[ ! -f $out/$name/weights.safetensors ]]; then
    echo "$name: no weights after $seconds s; give more minutes" >&2
    exit 1
  fi
  touch "$out/$name.done"
}

speed features micro-street "${features[@]}" "$@" >/dev/null
left=$((minutes * 60 - (SECONDS - began)))
left=$((left < 60 ? 60 : left))
stage features $((left * 2 / 10)) micro-street "${features[@]}" "$@"
stage images $((left * 7 / 10)) micro-street --init "$out/features/weights.safetensors" "${images[@]}" "$@"
stage heads $((left / 10)) micro-heads --init "$out/images/weights.safetensors" "${heads[@]}" "$@"
cp "$out/heads/weights.safetensors" "$out/micro.safetensors.part"
mv "$out/micro.safetensors.part" "$out/micro.safetensors"
echo "$out/micro.safetensors: written after $(((SECONDS - began + 59) / 60)) of $minutes minutes"
