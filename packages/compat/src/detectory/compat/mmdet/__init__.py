"""MMDetection: conversion of weights, and matching Detectory models."""

from .models import build_model, convert_state_dict, find_family, is_version_1, model_config
from .resnet_fpn import PlainP6P7

__all__ = ["PlainP6P7", "build_model", "convert_state_dict", "find_family", "is_version_1", "model_config"]
