"""The Caffe2 export API raises errors that name the replacement."""

import pytest

from detectory.export import Caffe2Model, Caffe2Tracer, add_export_config


@pytest.mark.parametrize(
    "call",
    [
        lambda: add_export_config({}),
        lambda: Caffe2Tracer({}, None, []),
        lambda: Caffe2Model(None, None),
        lambda: Caffe2Model.load_protobuf("folder"),
    ],
    ids=["add_export_config", "tracer", "model", "load"],
)
def test_caffe2_names_point_to_onnx(call):
    with pytest.raises(RuntimeError, match=r"Caffe2 was removed from PyTorch.*export.export"):
        call()
