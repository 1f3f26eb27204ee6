"""MMDetection: conversion of weights, and matching Detectory models."""

from .models import PlainP6P7, build_model
from .weights import convert_state_dict, is_version_1

__all__ = ["PlainP6P7", "build_model", "convert_state_dict", "is_version_1"]
