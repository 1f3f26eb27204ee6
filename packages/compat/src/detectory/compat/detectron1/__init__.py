"""Detectron 1: conversion of weights. Its pixel conventions are in `detectory.compat.legacy`."""

from .weights import convert_weights

__all__ = ["convert_weights"]
