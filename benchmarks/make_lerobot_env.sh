#!/usr/bin/env bash
# Makes an environment with LeRobot 0.4.4, to check Muse's datasets with its own library: benchmarks/make_lerobot_env.sh FOLDER
#
# Only what its datasets need is installed; torchcodec is not, videos are read by PyAV.
set -euo pipefail
folder=${1:?a folder to make it in}
python=${PYTHON:-.venv/bin/python}

"$python" -m venv "$folder"
install() { "$folder/bin/python" -m pip install -q --disable-pip-version-check "$@"; }
install "torch<2.11" "torchvision<0.26" "datasets>=4,<5" "huggingface-hub<0.36" "av>=15,<16" "packaging<26" "numpy<2.4" jsonlines pandas pyarrow \
    draccus==0.10.0 einops deepdiff termcolor "imageio[ffmpeg]" "opencv-python-headless<4.13" pillow psutil safetensors
install --no-deps "accelerate>=1.10,<2" lerobot==0.4.4
"$folder/bin/python" -c "import lerobot.datasets.lerobot_dataset"
echo "made; now: export MUSE_LEROBOT_PYTHON=$(cd "$folder" && pwd)/bin/python"
