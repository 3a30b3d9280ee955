"""The vocabulary of architectures: ``Case(shape=(512,), layers=[dense(512), act(), ...])``."""

from mcflow.model.layers.act import act
from mcflow.model.layers.dense import dense
from mcflow.model.layers.repeat import repeat

__all__ = ["act", "dense", "repeat"]
