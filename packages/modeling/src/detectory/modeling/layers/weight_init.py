"""Initial values of weights as the detection papers' Caffe2 code drew them."""

from typing import Any

from torch import nn


def c2_msra_fill(module: Any) -> None:
    """Fill a convolution or linear layer for a ReLU behind it; the bias becomes zero.

    Source: He et al., "Delving Deep into Rectifiers", 2015, equation 15 (normal, fan-out).
    """
    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def init_predictor(module: Any, std: float) -> None:
    """Fill a layer whose outputs shall start near zero: weights normal around zero with `std`, the bias zero."""
    nn.init.normal_(module.weight, std=std)
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def c2_xavier_fill(module: Any) -> None:
    """Fill a convolution or linear layer uniformly within `sqrt(3 / fan_in)`; the bias becomes zero.

    Source: Glorot and Bengio, 2010, in the fan-in form that Caffe2 calls Xavier.
    """
    # A leaky slope of one makes Kaiming's gain 1, which leaves exactly that bound.
    nn.init.kaiming_uniform_(module.weight, a=1)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
