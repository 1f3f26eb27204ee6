"""The names of Caffe2's export; each raises an error that says what took its place."""

from detectory.export import Caffe2Model, Caffe2Tracer, add_export_config

__all__ = ["Caffe2Model", "Caffe2Tracer", "add_export_config"]
