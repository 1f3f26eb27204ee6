"""Compare Detectory's models with measured outputs of Detectron2 on the same weights and inputs.

For each model `run` compares
1. state-dict names and shapes, and the number of trainable parameters;
2. backbone features, proposals, boxes, scores, classes, masks, keypoints, semantic and panoptic maps in inference;
3. the training losses with sampling made deterministic (every anchor and proposal is kept).
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
import fill

HEIGHT, WIDTH = 224, 288


def build(name: str):
    """Return (model, config) of a model-zoo name, randomly initialised, on the CPU."""
    from detectory.compat.detectron2 import model_zoo

    config = model_zoo.get_config(name)
    if name.endswith(".yaml"):
        from detectory.compat.detectron2.modeling import build_model

        config.MODEL.DEVICE = "cpu"
        config.MODEL.WEIGHTS = ""
        return build_model(config), config
    from detectory.core.config import instantiate

    return instantiate(config.model), config


def set_thresholds(model: nn.Module) -> None:
    """Let every detection through: the goldens were made with a score threshold of zero."""
    if hasattr(model, "head"):  # dense detectors; the others keep the threshold in their box predictor
        need(model, "test_score_thresh", 0.0)
    predictor = getattr(getattr(model, "roi_heads", None), "box_predictor", None)
    if predictor is not None:
        for one in predictor if isinstance(predictor, (nn.ModuleList, list)) else [predictor]:
            need(one, "test_score_thresh", 0.0)


def targets(num_classes: int, num_keypoints: int, mask_format: str, seed: int, size=(HEIGHT, WIDTH)):
    """Six ground-truth instances as `Instances`, drawn from a seeded generator."""
    from detectory.structures import BitMasks, Boxes, Instances, Keypoints, PolygonMasks, polygons_to_bitmask

    rng = np.random.default_rng(seed)
    n = 6
    x0, y0 = rng.uniform(0, WIDTH * 0.6, n), rng.uniform(0, HEIGHT * 0.6, n)
    w, h = rng.uniform(20, WIDTH * 0.38, n), rng.uniform(20, HEIGHT * 0.38, n)
    boxes = np.stack([x0, y0, x0 + w, y0 + h], 1).astype(np.float32)
    instances = Instances(size)
    instances.gt_boxes = Boxes(torch.from_numpy(boxes))
    instances.gt_classes = torch.from_numpy(rng.integers(0, num_classes, n))
    diamonds = [
        [np.array([a, (c + d) / 2, (a + e) / 2, c, e, (c + d) / 2, (a + e) / 2, d], np.float64)] for a, c, e, d in boxes
    ]
    if mask_format == "bitmask":
        bits = torch.stack([torch.from_numpy(polygons_to_bitmask(p, HEIGHT, WIDTH)) for p in diamonds])
        instances.gt_masks = BitMasks(bits[:, : size[0], : size[1]].contiguous())
    else:
        instances.gt_masks = PolygonMasks(diamonds)
    if num_keypoints:
        points = np.zeros((n, num_keypoints, 3), np.float32)
        points[:, :, 0] = (
            boxes[:, None, 0] + rng.uniform(0, 1, (n, num_keypoints)) * (boxes[:, 2] - boxes[:, 0])[:, None]
        )
        points[:, :, 1] = (
            boxes[:, None, 1] + rng.uniform(0, 1, (n, num_keypoints)) * (boxes[:, 3] - boxes[:, 1])[:, None]
        )
        points[:, :, 2] = 2
        instances.gt_keypoints = Keypoints(torch.from_numpy(points))
    instances.gt_boxes.clip(size)
    return instances


def need(module: nn.Module, attribute: str, value) -> None:
    """Set a documented attribute that the module reads when it is called; its absence is an error, not a skip."""
    if not hasattr(module, attribute):
        raise AttributeError(
            f"{type(module).__name__} must keep its argument {attribute} as an attribute read at call time"
        )
    setattr(module, attribute, value)


def relative(got: np.ndarray, want: np.ndarray) -> float:
    """Largest difference, relative to the largest magnitude wanted; infinite when shapes differ."""
    if got.shape != want.shape:
        return float("inf")
    if want.size == 0:
        return 0.0
    return float(np.abs(got.astype(np.float64) - want).max() / max(1.0, np.abs(want).max()))


def pairs(got: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> np.ndarray:
    """For every wanted detection its counterpart, or -1: box within 0.1 pixel, score within 1e-3, same class.

    Ranks may differ (ties swap), but no detection serves twice.
    """
    match = np.full(len(want["boxes"]), -1)
    free = np.ones(len(got["boxes"]), bool)
    for i in range(len(match)):
        near = (
            free
            & (np.abs(got["boxes"] - want["boxes"][i]).max(1) < 0.1)
            & (np.abs(got["scores"] - want["scores"][i]) < 1e-3)
        )
        if "classes" in want:
            near &= got["classes"] == want["classes"][i]
        if near.any():
            match[i] = np.flatnonzero(near)[0]
            free[match[i]] = False
    return match


def run(name: str, golden: Path, losses: bool) -> tuple[bool, str]:
    from detectory.core.events import EventStorage
    from detectory.structures import ImageList, Instances

    key = name.replace("/", "__")
    info = json.loads(gzip.decompress((golden / f"{key}.json.gz").read_bytes()))
    if "same_as" in info:
        return True, f"same architecture as {info['same_as']}"
    want = np.load(golden / f"{key}.npz")
    model, config = build(name)
    names = {k: list(v.shape) for k, v in model.state_dict().items()}
    if names != info["state"]:
        missing, extra = sorted(set(info["state"]) - set(names)), sorted(set(names) - set(info["state"]))
        shapes = [k for k in names if k in info["state"] and names[k] != info["state"][k]]
        return (
            False,
            f"state dict: {len(missing)} missing {missing[:3]}, {len(extra)} extra {extra[:3]}, "
            f"{len(shapes)} other shapes {shapes[:3]}",
        )
    problems, figures = [], []
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if trainable != info["trainable"]:
        problems.append(f"trainable parameters {trainable}, expected {info['trainable']}")
    model.eval()
    fill.fill_(model)
    set_thresholds(model)
    first = torch.from_numpy(np.ascontiguousarray(fill.image(HEIGHT, WIDTH).transpose(2, 0, 1)))
    second = torch.from_numpy(np.ascontiguousarray(fill.image(HEIGHT - 32, WIDTH - 64, 1).transpose(2, 0, 1)))
    batch = [
        {"image": first, "height": HEIGHT * 2, "width": WIDTH * 2},
        {"image": second, "height": HEIGHT - 32, "width": WIDTH - 64},
    ]
    if "fast_rcnn" in name:
        for item in batch:
            size = tuple(item["image"].shape[1:])
            proposals = Instances(size)
            proposals.proposal_boxes = targets(80, 0, "polygon", 5).gt_boxes
            proposals.proposal_boxes.clip(size)
            proposals.objectness_logits = torch.linspace(3, -3, 6)
            item["proposals"] = proposals
    with torch.no_grad():
        if hasattr(model, "preprocess_image"):
            images = model.preprocess_image(batch)
        else:
            pixels = [(item["image"].float() - model.pixel_mean) / model.pixel_std for item in batch]
            images = ImageList.from_tensors(pixels, model.backbone.size_divisibility)
        features = model.backbone(images.tensor)
        worst = max(
            (relative(v.mean((2, 3)).numpy(), want[f"feat.{k}.mean"]) for k, v in features.items()), default=0.0
        )
        corner = max(
            (relative(v[:, :8, :2, :2].numpy(), want[f"feat.{k}.corner"]) for k, v in features.items()), default=0.0
        )
        figures.append(f"features {max(worst, corner):.1e}")
        if max(worst, corner) > 1e-4:
            problems.append("features")
        if "0.proposals" in want:
            proposals, _ = model.proposal_generator(images, features, None)
            for i, found in enumerate(proposals):
                got = {"boxes": found.proposal_boxes.tensor.numpy(), "scores": found.objectness_logits.numpy()}
                share = (pairs(got, {"boxes": want[f"{i}.proposals"], "scores": want[f"{i}.objectness"]}) >= 0).mean()
                figures.append(f"proposals {share:.2f}")
                if share < 0.97:
                    problems.append(f"proposals of image {i}")
        outputs = model(batch)
    for i, output in enumerate(outputs):
        found = output.get("instances", output.get("proposals"))
        if found is not None and f"{i}.boxes" in want:
            boxes = found.pred_boxes if found.has("pred_boxes") else found.proposal_boxes
            scores = found.scores if found.has("scores") else found.objectness_logits
            got = {"boxes": boxes.tensor.numpy(), "scores": scores.numpy()}
            wanted = {"boxes": want[f"{i}.boxes"], "scores": want[f"{i}.scores"]}
            if f"{i}.classes" in want:
                got["classes"], wanted["classes"] = found.pred_classes.numpy(), want[f"{i}.classes"]
            match = pairs(got, wanted)
            share = float((match >= 0).mean()) if len(match) else 1.0
            figures.append(f"boxes {share:.2f}")
            if share < 0.97 or (found.has("pred_boxes") and len(got["boxes"]) != len(wanted["boxes"])):
                problems.append(f"boxes of image {i} ({len(got['boxes'])} for {len(wanted['boxes'])})")
            kept = match >= 0
            if f"{i}.mask_rows" in want and kept.any():
                rows = found.pred_masks.numpy().sum(2)[:, ::16][match[kept]]
                close = (np.abs(rows - want[f"{i}.mask_rows"][kept]) <= 1).mean()
                figures.append(f"masks {close:.3f}")
                if close < 0.99:
                    problems.append(f"masks of image {i}")
            if f"{i}.keypoints" in want and kept[:30].any():
                points = found.pred_keypoints.numpy()[match[:30][kept[:30]]]
                near = np.abs(points[..., :2] - want[f"{i}.keypoints"][kept[:30]][..., :2]) < 0.5
                figures.append(f"keypoints {near.mean():.2f}")
                if near.mean() < 0.95:
                    problems.append(f"keypoints of image {i}")
        if f"{i}.sem_argmax" in want:
            same = (output["sem_seg"].argmax(0).numpy()[::4, ::4] == want[f"{i}.sem_argmax"]).mean()
            mean = relative(output["sem_seg"].mean((1, 2)).numpy(), want[f"{i}.sem_mean"])
            figures.append(f"semantic {same:.3f}")
            if same < 0.995 or mean > 1e-3:
                problems.append(f"semantic map of image {i}")
        if f"{i}.panoptic" in want:
            same = (output["panoptic_seg"][0].numpy()[::4, ::4] == want[f"{i}.panoptic"]).mean()
            segments = [(int(z["id"]), bool(z["isthing"]), int(z["category_id"])) for z in output["panoptic_seg"][1]]
            figures.append(f"panoptic {same:.3f}")
            if same < 0.98 or segments != [
                (int(z["id"]), bool(z["isthing"]), int(z["category_id"])) for z in info[f"{i}.segments"]
            ]:
                problems.append(f"panoptic map of image {i}")
    if losses and "losses" in info:
        model.train()
        for module in model.modules():
            kind = type(module).__name__
            if isinstance(module, (nn.BatchNorm2d, nn.SyncBatchNorm)) or "Drop" in kind or "StochasticDepth" in kind:
                module.eval()  # batch statistics and stochastic depth off: losses must not depend on either
        proposal_generator, roi_heads = getattr(model, "proposal_generator", None), getattr(model, "roi_heads", None)
        if proposal_generator is not None:
            need(proposal_generator, "batch_size_per_image", 10**7)
            need(proposal_generator, "post_nms_topk", {True: 100, False: 1000})
        if roi_heads is not None:
            need(roi_heads, "batch_size_per_image", 10**6)
            need(roi_heads, "positive_fraction", 0.999999)
        yaml = name.endswith(".yaml")
        bitmask = (yaml and config.INPUT.MASK_FORMAT == "bitmask") or "LSJ" in name or "ViTDet" in name
        keypoints = 17 if "eypoint" in name else 0
        if yaml:
            retina = config.MODEL.META_ARCHITECTURE == "RetinaNet"
            num_classes = config.MODEL.RETINANET.NUM_CLASSES if retina else config.MODEL.ROI_HEADS.NUM_CLASSES
        else:
            num_classes = 1 if keypoints else 80
        training = []
        for i, item in enumerate(batch):
            height, width = item["image"].shape[1:]
            blocks = np.random.default_rng(3).integers(0, 54, (height // 32 + 1, width // 32 + 1))
            semantic = np.kron(blocks, np.ones((32, 32), np.int64))[:height, :width].copy()
            instances = targets(num_classes, keypoints, "bitmask" if bitmask else "polygon", 11 + i, (height, width))
            training.append({**item, "instances": instances, "sem_seg": torch.from_numpy(semantic)})
        torch.manual_seed(0)
        with EventStorage(0):
            model_losses = model(training)
        got = {k: v.item() for k, v in model_losses.items()}
        if set(got) != set(info["losses"]):
            problems.append(f"loss names {sorted(set(got) ^ set(info['losses']))}")
        else:
            worst = max((abs(got[k] - v) / max(abs(v), 1e-8) for k, v in info["losses"].items()), default=0.0)
            figures.append(f"losses {worst:.1e}")
            if worst > 2e-3:
                problems.append(
                    "losses " + str({k: (round(got[k], 6), round(v, 6)) for k, v in info["losses"].items()})
                )
            sum(model_losses.values()).backward()
            norms = {
                k: float(p.grad.norm())
                for k, p in model.named_parameters()
                if k in info["grad_norm"] and p.grad is not None
            }
            worst = max(
                (abs(norms.get(k, 0.0) - v) / max(abs(v), 1e-6) for k, v in info["grad_norm"].items()), default=0.0
            )
            figures.append(f"gradients {worst:.1e}")
            if worst > 2e-2:
                problems.append("gradient norms")
    return not problems, ", ".join(figures) + ("" if not problems else " | short: " + "; ".join(problems))
