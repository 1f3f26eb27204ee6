"""A name of the removed Caffe2 export, which raises an error that names its replacement."""

from detectory.export.caffe2 import Caffe2RPN

__all__ = ["Caffe2RPN"]
