"""A name of Caffe2's export, which raises an error that says what took its place."""

from detectory.export.caffe2 import Caffe2RPN

__all__ = ["Caffe2RPN"]
