"""`detectory benchmark` measures the model that is named, as it is asked to."""

import json

import pytest

RETINANET = "COCO-Detection/retinanet_R_50_FPN_1x.py"


@pytest.fixture
def small(tmp_path):
    """A recipe of a very small RetinaNet."""
    path = tmp_path / "small.py"
    path.write_text(
        "from detectory.zoo import get_config\n"
        f"config = get_config('{RETINANET}')\n"
        "model, dataloader, train = config.model, config.dataloader, config.train\n"
        "model.backbone.bottom_up.stages.depth = 18\n"
        "model.backbone.bottom_up.stages.stride_in_1x1 = False\n"
        "model.backbone.top_block.in_channels = 512\n"
        "model.backbone.out_channels = 8\n"
        "model.head.input_shape = [{'_target_': 'detectory.modeling.layers.ShapeSpec', 'channels': 8}] * 5\n"
        "model.head.conv_dims = [8]\n"
    )
    return path


def test_benchmark_prints_figures_for_programs(detectory, small):
    result = detectory(
        "benchmark", small, "--size", "32x64", "--iterations", 2, "--warmup", 0, "--json", "--device", "cpu"
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (figures["size"], figures["batches"], figures["batch_size"]) == ([32, 64], 2, 1)
    assert figures["latency_ms_min"] <= figures["latency_ms_median"] <= figures["latency_ms_p90"]
    assert figures["images_per_second"] > 0


@pytest.mark.parametrize("size", ["640", "0x10", "axb"])
def test_a_size_that_is_none_is_wrong_usage(detectory, small, size):
    result = detectory("benchmark", small, "--size", size)
    assert result.exit_code == 2
    assert "HEIGHTxWIDTH" in result.stderr


def test_a_precision_needs_optimize(detectory, small):
    assert detectory("benchmark", small, "--dtype", "bfloat16").exit_code == 2


def test_published_weights_of_a_recipe_without_any_are_an_error(detectory):
    result = detectory("benchmark", "COCO-Detection/fcos_R_50_FPN_1x.py", "--weights", "published", "--device", "cpu")
    assert result.exit_code == 1
    assert "no weights are published" in result.stderr
