"""Unchanged Detectron2 programs, and tools with Detectron2's flags."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from detectory.compat.detectron2 import model_zoo
from detectory.compat.detectron2.data.datasets import register_coco_instances
from detectory.compat.detectron2.tools import demo, train_net

SCRIPT = Path(__file__).parent / "scripts" / "train_coco.py"
SMALL = [
    *("MODEL.RESNETS.DEPTH", "18", "MODEL.RESNETS.RES2_OUT_CHANNELS", "64", "MODEL.FPN.OUT_CHANNELS", "16"),
    *("MODEL.ROI_BOX_HEAD.FC_DIM", "16", "MODEL.WEIGHTS", "", "MODEL.DEVICE", "cpu"),
]


@pytest.mark.slow
def test_a_tutorial_training_script_runs_unchanged(test_data, tmp_path):
    if importlib.util.find_spec("cv2") is None:
        pytest.skip("the script reads images with OpenCV: pip install opencv-python-headless")
    command = ["-m", "detectory.compat.detectron2", str(SCRIPT), str(test_data / "coco"), str(tmp_path)]
    result = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "tasks: bbox segm" in result.stdout
    assert {"model_final.pth", "metrics.json", "drawn.png"} <= {path.name for path in tmp_path.iterdir()}


@pytest.fixture
def config_file(tmp_path):
    path = tmp_path / "config.yaml"
    base = model_zoo.get_config_file("COCO-Detection/faster_rcnn_R_50_FPN_1x.yaml")
    path.write_text(f"_BASE_: {base}\nOUTPUT_DIR: {tmp_path / 'output'}\n")
    return str(path)


def test_train_net_accepts_detectron2s_flags(config_file):
    flags = ["--config-file", config_file, "--num-gpus", "0", "--eval-only", "--resume", "SOLVER.MAX_ITER", "7"]
    args = train_net.default_argument_parser().parse_args(flags)
    cfg = train_net.setup(args)
    assert (cfg.SOLVER.MAX_ITER, cfg.MODEL.DEVICE, args.eval_only, args.resume) == (7, "cpu", True, True)
    assert cfg.is_frozen()


def test_train_net_selects_the_evaluator_of_the_dataset(config_file):
    args = train_net.default_argument_parser().parse_args(["--config-file", config_file])
    cfg = train_net.setup(args)
    names = ("voc_2007_test", "lvis_v1_val", "coco_2017_val")
    evaluators = [type(train_net.build_evaluator(cfg, name)).__name__ for name in names]
    assert evaluators == ["PascalVOCDetectionEvaluator", "LVISEvaluator", "COCOEvaluator"]


def test_train_net_reports_a_dataset_without_evaluator(config_file):
    cfg = train_net.setup(train_net.default_argument_parser().parse_args(["--config-file", config_file]))
    with pytest.raises(ValueError, match=r"'unheard_of': evaluator_type must be one of .* got None"):
        train_net.build_evaluator(cfg, "unheard_of")


def test_demo_draws_images(config_file, tmp_path):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 48), "gray").save(tmp_path / name)
    flags = ["--config-file", config_file, "--input", str(tmp_path / "*.png"), "--output", str(tmp_path / "drawn")]
    demo.run([*flags, "--opts", *SMALL, "INPUT.MIN_SIZE_TEST", "64"])
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("flags", [["--webcam"], ["--video-input", "square.mp4"]], ids=["webcam", "video"])
def test_demo_draws_videos(config_file, tmp_path, monkeypatch, flags):
    from detectory.engine.inference import video

    pytest.importorskip("av", reason="video support: pip install 'detectory-engine[video]'")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(video, "_camera", lambda number: ("testsrc=size=64x48:rate=5:duration=0.6", "lavfi"))
    with video.VideoWriter("square.mp4", 5) as writer:
        for _ in range(3):
            writer.write(np.zeros((48, 64, 3), np.uint8))
    demo.run(
        ["--config-file", config_file, *flags, "--output", "out.mp4", "--opts", *SMALL, "INPUT.MIN_SIZE_TEST", "64"]
    )
    with video.VideoReader("out.mp4") as drawn:
        assert [frame.shape for frame in drawn] == [(48, 64, 3)] * 3


def test_demo_without_output_needs_a_display(config_file, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    with pytest.raises(SystemExit, match=r"demo: a window needs .*; use --output instead"):
        demo.run(["--config-file", config_file, "--input", str(tmp_path / "a.png")])


def test_demo_reports_a_missing_image(config_file, tmp_path):
    flags = ["--config-file", config_file, "--input", str(tmp_path / "*.jpg"), "--output", str(tmp_path)]
    with pytest.raises(SystemExit, match="no image found at"):
        demo.run(flags)


@pytest.mark.slow
def test_train_net_trains_and_evaluates(config_file, tmp_path):
    images, annotations = [], []
    for i in (1, 2):
        Image.new("RGB", (64, 48), "gray").save(tmp_path / f"{i}.png")
        images.append({"id": i, "file_name": f"{i}.png", "height": 48, "width": 64})
        box = {"bbox": [4, 4, 30, 30], "area": 900, "iscrowd": 0}
        annotations.append({"id": i, "image_id": i, "category_id": 1, **box})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (tmp_path / "things.json").write_text(json.dumps(content))
    register_coco_instances("things_of_a_tool", {}, str(tmp_path / "things.json"), str(tmp_path))
    numbers = ["SOLVER.MAX_ITER", "2", "SOLVER.IMS_PER_BATCH", "2", "DATALOADER.NUM_WORKERS", "0", "SOLVER.STEPS", "()"]
    datasets = ["DATASETS.TRAIN", "('things_of_a_tool',)", "DATASETS.TEST", "('things_of_a_tool',)"]
    flags = ["--config-file", config_file, "--num-gpus", "0"]
    train_net.run([*flags, *SMALL, *numbers, *datasets])
    assert (tmp_path / "output" / "model_final.pth").is_file()
    train_net.run([*flags, "--eval-only", "--resume", *SMALL, *numbers, *datasets])
