"""The C++ programs of `examples/cpp` print the detections of Python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from PIL import Image

import detectory.ops
from detectory import zoo
from detectory.data.transforms import ResizeShortestEdge
from detectory.engine import Predictor
from detectory.export import export, load
from detectory.structures import Boxes, pairwise_iou

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cpp"
HEADERS = Path("/usr/include/jpeglib.h")
ONNXRUNTIME_HEADERS = Path(os.environ.get("ONNXRUNTIME_HEADERS", "/usr/include/onnxruntime"))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cmake") is None or not HEADERS.is_file(), reason="needs CMake and libjpeg-dev"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    return built(tmp_path_factory.mktemp("torch"), f"-DTORCH_ROOT={torch.__path__[0]}") / "detect_torch"


def built(folder: Path, *options: str) -> Path:
    subprocess.run(["cmake", "-S", EXAMPLE, "-B", folder, *options], check=True)
    subprocess.run(["cmake", "--build", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    from matplotlib.cbook import get_sample_data

    path = tmp_path_factory.mktemp("image") / "image.jpg"
    with get_sample_data("grace_hopper.jpg") as file:
        Image.open(file).convert("RGB").save(path, quality=95)
    return path


@pytest.fixture(scope="module")
def predictor(image) -> Predictor:
    """A small Mask R-CNN; features are rescaled to unit variance, so that random weights yield distinct detections."""
    torch.manual_seed(0)
    model = zoo.get("COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small").eval()
    predictor = Predictor(model, ResizeShortestEdge(240, 320))
    with torch.no_grad():
        features = model.backbone(model.preprocess_image([predictor.prepare(image)]).tensor)
        for level in range(2, 6):
            getattr(model.backbone, f"fpn_output{level}").weight /= features[f"p{level}"].std()
        torch.nn.init.normal_(model.proposal_generator.rpn_head.objectness_logits.weight, std=0.5)
        torch.nn.init.zeros_(model.proposal_generator.rpn_head.anchor_deltas.weight)
        torch.nn.init.normal_(model.roi_heads.box_predictor.cls_score.weight, std=0.3)
    return predictor


@pytest.mark.parametrize(("name", "suffix"), [("torchscript", "ts"), ("aoti", "pt2")])
def test_program_prints_the_detections_of_python(name, suffix, program, predictor, image, tmp_path):
    path = tmp_path / f"model.{suffix}"
    export(predictor, path, [image], format=name)
    (operators,) = Path(detectory.ops.__file__).parent.glob("_C.*")
    assert_equals_python([program, path, operators, image], path, image)


def assert_equals_python(command: list, path: Path, image: Path) -> None:
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    expected = load(path).predict(image)
    rows = torch.tensor([[float(value) for value in line.split()[1:]] for line in output.splitlines()])
    assert len(rows) == len(expected) > 10
    # The decoders and resize filters differ by rounding, so that NMS may choose another of two equally good boxes.
    overlap, nearest = pairwise_iou(expected.pred_boxes, Boxes(rows[:, 1:])).max(dim=1)
    equal = (overlap > 0.95) & ((rows[nearest, 0] - expected.scores).abs() < 0.01)
    assert equal.float().mean() > 0.95


@pytest.mark.skipif(not ONNXRUNTIME_HEADERS.is_dir(), reason="needs libonnxruntime-dev, or ONNXRUNTIME_HEADERS")
def test_onnx_program_prints_the_detections_of_python(predictor, image, tmp_path):
    root = f"-DONNXRUNTIME_ROOT={Path(pytest.importorskip('onnxruntime').__file__).parent}"
    program = built(tmp_path / "build", root, f"-DONNXRUNTIME_HEADERS={ONNXRUNTIME_HEADERS}") / "detect_onnx"
    path = tmp_path / "model.onnx"
    export(predictor, path, [image])
    assert_equals_python([program, path, image], path, image)


def test_program_reports_errors_in_one_line(program, image):
    (operators,) = Path(detectory.ops.__file__).parent.glob("_C.*")
    result = subprocess.run([program, "missing.ts", operators, image], check=False, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
