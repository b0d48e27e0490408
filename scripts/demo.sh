#!/usr/bin/env bash
# From demonstrations to a policy with the ordinary scripts: scripts/demo.sh [episodes] [training steps] [evaluation episodes]
set -euo pipefail
cd "$(dirname "$0")/.."
episodes=${1:-200} steps=${2:-2000} evaluation=${3:-100}
recipe=cfgs/exp_point_mass/bc_rnn.py
data=data/point_mass/scripted_200.npz

echo "Point mass: collect $episodes demonstrations, train BC-RNN for $steps steps, evaluate $evaluation episodes. About 2 minutes on two cores."
python scripts/collect.py --overwrite --max_eps "$episodes" --save_file "$data" "$recipe" %policy cfgs/policy/point_mass_expert.py
python scripts/goal_train.py --no_wandb --overwrite "$recipe" %trainer --max_steps "$steps"
folder=experiments/$(python scripts/resolve.py --name_only "$recipe")
echo
echo "A random policy, for comparison:"
python scripts/eval.py --random_policy --max_eps "$evaluation" "$recipe"
echo
python scripts/eval.py --max_eps "$evaluation" --track_returns --video "$folder/videos/best.mp4" "exp=$folder"
echo "next: python scripts/eval.py --max_eps 100 exp=$folder"
