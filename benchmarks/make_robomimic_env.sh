#!/usr/bin/env bash
# Makes an environment with robomimic 0.3 and robosuite, to measure Muse against: benchmarks/make_robomimic_env.sh FOLDER
#
# torch, numpy, numba, MuJoCo and robosuite are of the versions that $PYTHON has, which runs Muse, so that they make no difference.
# What robomimic imports and does not use without images (torchvision, egl_probe, mujoco_py) stands in benchmarks/robomimic_standins.
set -euo pipefail
folder=${1:?a folder to make it in}
python=${PYTHON:-.venv/bin/python}
pinned() {
    "$python" -c "import sys; from importlib.metadata import version
print(*(f'{name}=={version(name).partition(\"+\")[0]}' for name in sys.argv[1:]))" "$@"
}
same=$(pinned torch numpy numba mujoco)
robosuite=$(pinned robosuite)

"$python" -m venv "$folder"
install() { "$folder/bin/python" -m pip install -q --disable-pip-version-check "$@"; }
# shellcheck disable=SC2086
install $same h5py psutil tqdm termcolor tensorboard tensorboardX imageio imageio-ffmpeg matplotlib pillow six scipy opencv-python-headless
install --no-deps robomimic==0.3.0 tianshou==0.4.10 "$robosuite"
echo "made; now: export MUSE_ROBOMIMIC_PYTHON=$(cd "$folder" && pwd)/bin/python"
