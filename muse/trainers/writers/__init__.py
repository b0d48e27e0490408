"""Writers: where a run says what it does. See `muse.trainers.writers.writer` for the contract."""

from muse.trainers.writers.line_writers import JsonlWriter, LossCsvWriter
from muse.trainers.writers.tensorboard_writer import TensorboardWriter
from muse.trainers.writers.wandb_writer import WandbWriter
from muse.trainers.writers.writer import Writer
from muse.trainers.writers.writer_group import WriterGroup, make_writer

__all__ = ["JsonlWriter", "LossCsvWriter", "TensorboardWriter", "WandbWriter", "Writer", "WriterGroup", "make_writer"]
