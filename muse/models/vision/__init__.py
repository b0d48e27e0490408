"""From pictures to embeddings: `VisionEncoder`, and what it is made of."""

from muse.models.vision.image_transform import ImageTransform
from muse.models.vision.pooling import MeanPool, SpatialSoftmax
from muse.models.vision.trunks import ConvTrunk, ResNetTrunk
from muse.models.vision.vision_encoder import VisionEncoder

__all__ = ["ConvTrunk", "ImageTransform", "MeanPool", "ResNetTrunk", "SpatialSoftmax", "VisionEncoder"]
