#!/usr/bin/env bash
# Builds the wheel and the sdist, installs each into an empty environment and tries it far from the source: scripts/build.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1 top=$PWD
rm -rf dist build
"$python" -m build --outdir dist . >/dev/null
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
for package in "$top"/dist/*.whl "$top"/dist/*.tar.gz; do
  echo "trying $(basename "$package")"
  rm -rf "$room/env" "$room/run"
  "$python" -m venv "$room/env"
  "$room/env/bin/python" -m pip install --disable-pip-version-check -q -c constraints.txt "$package"
  mkdir "$room/run"
  (
    cd "$room/run"
    "$room/env/bin/muse" doctor
    "$room/env/bin/muse" collect --max_eps 20 --save_file data/point_mass/scripted_200.npz cfgs/exp_point_mass/bc_rnn.py %policy cfgs/policy/point_mass_expert.py
    "$room/env/bin/python" -m muse goal_train --no_wandb cfgs/exp_point_mass/bc_rnn.py %trainer --max_steps 20 --rollout_train_env_every_n_steps 0 --save_every_n_steps 20
    "$room/env/bin/muse" eval --max_eps 3 "exp=$(echo experiments/point_mass/*/)"
  )
done
echo "both packages install and run; they are in dist/"
