"""Models hold all parameters, and define `forward` and `loss`."""

from muse.models.basic_model import BasicModel, MLPModel
from muse.models.grouped_model import GroupedModel
from muse.models.model import Model, ModelError, StatisticsError
from muse.models.normalizer import Normalizer
from muse.models.rnn_model import RnnModel

__all__ = ["BasicModel", "GroupedModel", "MLPModel", "Model", "ModelError", "Normalizer", "RnnModel", "StatisticsError"]
