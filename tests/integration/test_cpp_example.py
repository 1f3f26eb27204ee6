"""The C++ programs of `examples/cpp` print the detections of Python."""

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

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cpp"
HEADERS = Path("/usr/include/jpeglib.h")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("cmake") is None or not HEADERS.is_file(), reason="needs CMake and libjpeg-dev"),
]


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cpp")
    root = f"-DTORCH_ROOT={torch.__path__[0]}"
    subprocess.run(["cmake", "-S", EXAMPLE, "-B", folder, root], check=True)
    subprocess.run(["cmake", "--build", folder], check=True)
    return folder / "detect_torch"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    model = zoo.get("COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small").eval()
    return Predictor(model, ResizeShortestEdge(240, 320))


@pytest.fixture(scope="module")
def image(tmp_path_factory) -> Path:
    from matplotlib.cbook import get_sample_data

    path = tmp_path_factory.mktemp("image") / "image.jpg"
    with get_sample_data("grace_hopper.jpg") as file:
        Image.open(file).convert("RGB").save(path, quality=95)
    return path


@pytest.mark.parametrize(("name", "suffix"), [("torchscript", "ts"), ("aoti", "pt2")])
def test_program_prints_the_detections_of_python(name, suffix, program, predictor, image, tmp_path):
    path = tmp_path / f"model.{suffix}"
    export(predictor, path, [image], format=name)
    (operators,) = Path(detectory.ops.__file__).parent.glob("_C.*")
    output = subprocess.run([program, path, operators, image], check=True, capture_output=True, text=True).stdout
    expected = load(path).predict(image)
    rows = torch.tensor([[float(value) for value in line.split()[1:]] for line in output.splitlines()])
    assert len(rows) == len(expected) > 0
    assert (rows[:, 0] - expected.scores).abs().max() < 0.01
    # The decoders and resize filters differ by rounding.
    assert (rows[:, 1:] - expected.pred_boxes.tensor).abs().median() < 0.5


def test_program_reports_errors_in_one_line(program, image):
    (operators,) = Path(detectory.ops.__file__).parent.glob("_C.*")
    result = subprocess.run([program, "missing.ts", operators, image], check=False, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr.startswith("Error: ")
