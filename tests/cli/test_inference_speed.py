"""`detectory benchmark`."""

import json

import pytest

RETINANET = "COCO-Detection/retinanet_R_50_FPN_1x.py"


@pytest.fixture
def small_recipe(tmp_path):
    """Return the recipe file of a tiny RetinaNet."""
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


def test_benchmark_prints_results_as_json(detectory, small_recipe):
    result = detectory(
        "benchmark", small_recipe, "--size", "32x64", "--iterations", 2, "--warmup", 0, "--json", "--device", "cpu"
    )
    assert result.exit_code == 0, result.output
    results = json.loads(result.stdout)
    assert (results["size"], results["batches"], results["batch_size"]) == ([32, 64], 2, 1)
    assert results["latency_ms_min"] <= results["latency_ms_median"] <= results["latency_ms_p90"]
    assert results["images_per_second"] > 0


@pytest.mark.parametrize("size", ["640", "0x10", "axb"])
def test_rejects_invalid_size(detectory, small_recipe, size):
    result = detectory("benchmark", small_recipe, "--size", size)
    assert result.exit_code == 2
    assert "HEIGHTxWIDTH" in result.stderr


def test_bfloat16_needs_optimize(detectory, small_recipe):
    assert detectory("benchmark", small_recipe, "--dtype", "bfloat16").exit_code == 2


def test_rejects_published_weights_of_a_model_without_weights(detectory):
    result = detectory("benchmark", "COCO-Detection/fcos_R_50_FPN_1x.py", "--weights", "published", "--device", "cpu")
    assert result.exit_code == 1
    assert "no weights are published" in result.stderr
