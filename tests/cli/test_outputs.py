"""Commands replace only files that they wrote themselves."""

import json

import pytest

from detectory.cli.demo.pipeline import claim_output


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    rows = [{"iteration": index, "total_loss": 1.0 / (index + 1)} for index in range(3)]
    (tmp_path / "run" / "metrics.json").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return tmp_path / "run"


def test_plot_replaces_its_own_page_only(detectory, run, tmp_path):
    page = tmp_path / "curves.html"
    page.write_text("mine")
    result = detectory("plot", run, "--output", page)
    assert (result.exit_code, page.read_text()) == (1, "mine")
    assert "curves.html exists and was not written by this command" in result.stderr
    for flags in (["--overwrite"], []):
        assert detectory("plot", run, "--output", page, *flags).exit_code == 0


def test_demo_refuses_a_folder_with_other_files(tmp_path):
    claim_output(tmp_path / "new", overwrite=False)
    claim_output(tmp_path / "new", overwrite=False)
    (tmp_path / "dataset").mkdir()
    with pytest.raises(FileExistsError, match="contains other files"):
        claim_output(tmp_path, overwrite=False)
    claim_output(tmp_path, overwrite=True)
