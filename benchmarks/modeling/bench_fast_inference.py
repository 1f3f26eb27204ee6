"""`optimize_for_inference` on several architectures at 480×640, compared with the unmodified models."""

import copy

import pytest
import torch
from bench_mask_rcnn import HEIGHT, WIDTH, random_image
from mask_rcnn_models import randomize

from detectory import zoo
from detectory.core.config import instantiate
from detectory.modeling.fast_inference import optimize_for_inference

MODELS = {
    "RetinaNet": "COCO-Detection/retinanet_R_50_FPN_1x.py",
    "FCOS": "COCO-Detection/fcos_R_50_FPN_1x.py",
    "Panoptic FPN": "COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.py",
    "Keypoint R-CNN": "COCO-Keypoints/keypoint_rcnn_R_50_FPN_1x.py",
}


@pytest.fixture(scope="module", params=MODELS)
def variants(request):
    model = randomize(instantiate(zoo.get_config(MODELS[request.param]).model)).eval()
    if request.param == "Keypoint R-CNN":
        model.roi_heads.box_predictor.test_score_thresh = 0.0  # with random weights, scores of the single class are low
    dtypes = {"float32": torch.float32, "bfloat16": torch.bfloat16}
    optimized = {name: optimize_for_inference(copy.deepcopy(model), dtype) for name, dtype in dtypes.items()}
    return request.param, {"as built": model, **optimized}


@pytest.mark.parametrize("implementation", ["detectory", "as built"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_inference(benchmark, variants, dtype, implementation):
    name, models = variants
    benchmark.group = f"{name} R-50-FPN, one image, optimized, {dtype}"
    model = models[dtype if implementation == "detectory" else implementation]
    inputs = [{"image": random_image(1), "height": HEIGHT, "width": WIDTH}]
    output = benchmark.pedantic(torch.no_grad()(lambda: model(inputs)), rounds=3, warmup_rounds=1)
    assert len(output[0]["instances"]) > 0
