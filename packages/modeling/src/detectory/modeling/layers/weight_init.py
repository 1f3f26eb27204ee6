"""Weight initializations of Caffe2, as used by the detection models."""

from typing import Any

from torch import nn


def c2_msra_fill(module: Any) -> None:
    """Initialize a convolution or linear layer that is followed by a ReLU: He normal, fan-out; the bias is 0.

    Source: He et al., "Delving Deep into Rectifiers", 2015, equation 15.
    """
    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def init_predictor(module: Any, std: float) -> None:
    """Initialize a layer with normal weights of standard deviation `std` and zero bias: outputs start near 0."""
    nn.init.normal_(module.weight, std=std)
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def c2_xavier_fill(module: Any) -> None:
    """Initialize a convolution or linear layer uniformly within `±sqrt(3 / fan_in)`; the bias is 0.

    Source: Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, in the
        fan-in form that Caffe2 calls Xavier.
    """
    # With a negative slope of 1 the gain of `kaiming_uniform_` is 1, and its bound is sqrt(3 / fan_in).
    nn.init.kaiming_uniform_(module.weight, a=1)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
