"""Names of the removed Caffe2 export; each raises an error that names its replacement."""

from detectory.export import Caffe2Model, Caffe2Tracer, add_export_config

__all__ = ["Caffe2Model", "Caffe2Tracer", "add_export_config"]
