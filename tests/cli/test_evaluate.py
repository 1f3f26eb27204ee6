"""`detectory eval` on files: a table, metrics.json and the report."""

import json

import pytest
from click.testing import CliRunner

from detectory.cli import main

TRUTH = {
    "images": [{"id": 1, "height": 60, "width": 80, "file_name": "1.jpg"}],
    "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 40], "area": 1600, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 2, "bbox": [50, 5, 20, 20], "area": 400, "iscrowd": 0},
    ],
}
RESULTS = [
    {"image_id": 1, "category_id": 1, "bbox": [5, 5, 40, 40], "score": 0.9},
    {"image_id": 1, "category_id": 1, "bbox": [50, 5, 20, 20], "score": 0.95},
]


@pytest.fixture
def evaluate(tmp_path):
    """Runs `detectory eval` on TRUTH and the given results with more arguments; gives its exit code and text."""

    def run(results, *arguments):
        (tmp_path / "truth.json").write_text(json.dumps(TRUTH))
        (tmp_path / "results.json").write_text(results if isinstance(results, str) else json.dumps(results))
        files = ["--predictions", str(tmp_path / "results.json"), "--annotations", str(tmp_path / "truth.json")]
        result = CliRunner().invoke(main, ["eval", *files, *map(str, arguments)])
        return result.exit_code, result.output

    return run


def test_eval_prints_a_table(evaluate):
    code, text = evaluate(RESULTS)
    assert code == 0, text
    rows = dict(line.split() for line in text.splitlines()[1:])
    assert (rows["AP"], rows["APl"]) == ("25.00", "-")


def test_eval_writes_metrics_and_a_report(evaluate, tmp_path):
    code, text = evaluate(RESULTS, "--output", tmp_path / "out")
    assert code == 0, text
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())["bbox"]
    assert (metrics["AP-cat"], metrics["AP-dog"], metrics["APl"]) == (pytest.approx(50), 0, None)
    page = (tmp_path / "out" / "report.html").read_text()
    assert "cat 0.95 on dog" in page
    assert "No pictures were found" in page


def test_eval_names_the_wrong_entry_and_writes_nothing(evaluate, tmp_path):
    wrong = [RESULTS[0], {**RESULTS[1], "bbox": [1, 2, 3]}]
    code, text = evaluate(wrong, "--output", tmp_path / "out")
    assert code == 1
    assert "results.json: entry 1: bbox is not x, y, width, height of finite numbers: [1, 2, 3]" in text
    assert not (tmp_path / "out").exists()


def test_eval_refuses_a_truncated_file(evaluate):
    code, text = evaluate(json.dumps(RESULTS)[:50])
    assert code == 1
    assert "results.json is no JSON file" in text


def test_eval_refuses_a_folder_without_the_pictures(evaluate, tmp_path):
    code, text = evaluate(RESULTS, "--output", tmp_path / "out", "--images", tmp_path)
    assert code == 1
    assert "holds no picture of" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predictions", "r.json"], "--predictions and --annotations belong together"),
        ([], "give one of RECIPE, --run or --predictions"),
        (["--run", "run", "--images", "photos"], "--images belongs to --predictions"),
    ],
    ids=["half", "nothing", "images"],
)
def test_eval_explains_wrong_usage(arguments, message):
    result = CliRunner().invoke(main, ["eval", *arguments])
    assert (result.exit_code, message in result.output) == (2, True)
