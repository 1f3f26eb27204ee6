"""The tables in docs/concepts/*-journey.md list existing functions, which a training and a prediction call in order."""

import importlib
import inspect
import re
import sys
from pathlib import Path
from types import CodeType

import pytest
from click.testing import CliRunner

from detectory.cli import main

ROOT = Path(__file__).resolve().parents[2]
RECIPE = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.py"
ROW = re.compile(r"^\| .+ \| `([\w/]+)\.py` \| `([\w.]+)` \|$", flags=re.MULTILINE)


def read_steps(page):
    """Return the (file without suffix, qualified name) of every table row of a page, in order."""
    return ROW.findall((ROOT / "docs" / "concepts" / page).read_text(encoding="utf-8"))


STEPS = {page: read_steps(page) for page in ("image-journey.md", "annotation-journey.md", "config-journey.md")}
#: Page -> commands of `traced_calls` whose calls follow the page.
COMMANDS = {
    "image-journey.md": ["predict"],
    "annotation-journey.md": ["train"],
    "config-journey.md": ["train", "predict"],
}
ALL_STEPS = sorted({step for steps in STEPS.values() for step in steps})


def find_code(file, qualified_name):
    """Return the code object of a function or method."""
    value = importlib.import_module(f"detectory.{file.replace('/', '.')}")
    for name in qualified_name.split("."):
        value = inspect.getattr_static(value, name)
    return inspect.unwrap(getattr(value, "__func__", value)).__code__


def record_calls(codes: set[CodeType], arguments) -> list[CodeType]:
    """Run the command line and return the calls of some functions in order, without immediate repetitions."""
    calls: list[CodeType] = []

    def profile(frame, event, _):
        if event == "call" and frame.f_code in codes and (not calls or calls[-1] is not frame.f_code):
            calls.append(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    finally:
        sys.setprofile(before)
    assert result.exit_code == 0, result.output
    return calls


@pytest.fixture(scope="module")
def traced_calls(tmp_path_factory, make_coco_folder, tiny):
    """Return the calls of all listed functions in a training with evaluation, and in a prediction."""
    folder = tmp_path_factory.mktemp("journeys")
    data, run = make_coco_folder(folder / "data"), folder / "run"
    overrides = [*tiny, "train.max_iter=1", "model.roi_heads.box_predictor.test_score_thresh=0.0"]
    commands = {
        "train": ["train", RECIPE, "--data", data, "--output", run, "--device", "cpu", *overrides],
        "predict": ["predict", data / "val" / "1.jpg", "--run", run, "--output", folder / "out", "--threshold", 0],
    }
    codes = {find_code(*step) for step in ALL_STEPS}
    return {name: record_calls(codes, arguments) for name, arguments in commands.items()}


@pytest.mark.parametrize("page", STEPS)
def test_page_has_steps(page):
    text = (ROOT / "docs" / "concepts" / page).read_text(encoding="utf-8")
    assert len(STEPS[page]) == text.count("\n| ") - text.count("\n| step | file | function |") > 10


@pytest.mark.parametrize(("file", "name"), ALL_STEPS, ids="::".join)
def test_listed_function_is_defined_in_the_listed_file(file, name):
    assert Path(find_code(file, name).co_filename).as_posix().endswith(f"/detectory/{file}.py")


@pytest.mark.parametrize("page", STEPS)
def test_traced_run_follows_the_page(page, traced_calls):
    remaining = iter([call for command in COMMANDS[page] for call in traced_calls[command]])
    # Membership in an iterator consumes it, so each step is searched only after the previous one.
    skipped = [f"{file}.py: {name}" for file, name in STEPS[page] if find_code(file, name) not in remaining]
    assert skipped == []
