"""Commands about annotations and the zoo work without importing torch, because the import takes seconds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

_WITHOUT_TORCH = """
import sys
class Refusal:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise RuntimeError("torch was imported")
sys.meta_path.insert(0, Refusal())
sys.argv[0] = "detectory"
from detectory.cli.app import main
main()
"""


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", _WITHOUT_TORCH, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def annotations(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("coco")
    Image.new("RGB", (40, 30)).save(folder / "a.jpg")
    polygon = [5.0, 5.0, 20.0, 5.0, 20.0, 20.0, 5.0, 20.0]
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 15, 15], "area": 225, "iscrowd": 0}
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 40, "height": 30}],
        "annotations": [{**box, "segmentation": [polygon]}],
        "categories": [{"id": 1, "name": "cell"}],
    }
    (folder / "train.json").write_text(json.dumps(coco))
    return folder / "train.json"


def test_help() -> None:
    result = run("--help")
    assert result.returncode == 0, result.stderr
    assert "data check" in result.stdout


def test_data_check(annotations: Path) -> None:
    result = run("data", "check", annotations, "--images", annotations.parent)
    assert result.returncode == 0, result.stderr
    assert "0 problems" in result.stdout


@pytest.mark.parametrize("format", ["coco", "yolo", "voc", "labelme"])
def test_data_convert(annotations: Path, tmp_path: Path, format: str) -> None:
    command = ["data", "convert", annotations, tmp_path / "converted", "--to", format, "--images", annotations.parent]
    result = run(*command)
    assert result.returncode == 0, result.stderr
    assert "1 objects, 1 kept, 0 skipped" in result.stdout + result.stderr


def test_data_stats_prints_tables_before_torch_is_imported(annotations: Path, tmp_path: Path) -> None:
    command = ["data", "stats", annotations, "--images", annotations.parent, "--page", tmp_path / "page.html"]
    result = run(*command)
    assert "objects per image: 1.00" in result.stdout
    assert "torch was imported" in result.stderr


@pytest.mark.parametrize("command", [["list", "retinanet"], ["info", "COCO-Detection/retinanet_R_50_FPN_1x"]])
def test_zoo(command: list[str]) -> None:
    result = run("zoo", *command)
    assert result.returncode == 0, result.stderr
    assert "COCO-Detection/retinanet_R_50_FPN_1x" in result.stdout
