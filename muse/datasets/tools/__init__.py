"""Looking at datasets, checking them and reworking them: what `muse data` does, from Python.

from muse.datasets.tools.opening import open_data
from muse.datasets.tools.checking import check_file
from muse.datasets.tools.reworking import filter_data

findings = check_file("data/mine.npz")
filter_data(open_data("data/mine.npz"), "data/short.npz", "success and length < 200")
"""
