"""Scriptable inference-only equivalents of modules that pass `Instances` to each other.

`torch.jit.script` compiles each class in place of the module from which it takes its parameters. Submodules are kept
in lists instead of by name, and only inference settings are kept. The fields of `Instances` are fixed by
`detectory.compat.detectron2.export.scripting_with_instances`.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from detectory.compat.detectron2.layers.nms import batched_nms
from detectory.modeling import meta_arch, proposal_generator, roi_heads
from detectory.modeling.anchor_generator import DefaultAnchorGenerator, RotatedAnchorGenerator
from detectory.modeling.box_regression import Box2BoxTransform, decode_boxes
from detectory.modeling.layers import fast_layout
from detectory.modeling.proposal_generator.proposals import gather_rows
from detectory.modeling.proposal_generator.rpn import flatten_cells
from detectory.structures import Boxes, ImageList, Instances, RotatedBoxes, heatmaps_to_keypoints

__all__ = [
    "ScriptableAnchors",
    "ScriptableKeypointHead",
    "ScriptableMaskHead",
    "ScriptableRCNN",
    "ScriptableROIHeads",
    "ScriptableRPN",
    "ScriptableRes5Heads",
    "ScriptableRotatedAnchors",
]


def grid_centers(feature: Tensor, stride: float, offset: float) -> Tensor:
    """Return the anchor points `(x, y)` of all cells of a feature map, shape (H * W, 1, 2)."""
    height, width = feature.shape[-2], feature.shape[-1]
    y = (torch.arange(height, dtype=torch.float32, device=feature.device) + offset) * stride
    x = (torch.arange(width, dtype=torch.float32, device=feature.device) + offset) * stride
    grid_x = x.unsqueeze(0).expand(height, width).reshape(-1, 1)
    grid_y = y.unsqueeze(1).expand(height, width).reshape(-1, 1)
    return torch.cat((grid_x, grid_y), dim=1).unsqueeze(1)


class ScriptableAnchors(nn.Module):
    """Anchors of a `DefaultAnchorGenerator`."""

    def __init__(self, generator: DefaultAnchorGenerator) -> None:
        super().__init__()
        self.cells = [cell.clone() for cell in generator.cell_anchors]
        self.strides = [float(stride) for stride in generator.strides]
        self.offset = float(generator.offset)

    def forward(self, features: list[Tensor]) -> list[Boxes]:
        """Return the anchors of every level."""
        grids: list[Boxes] = []
        for i, feature in enumerate(features):
            centers = grid_centers(feature, self.strides[i], self.offset).repeat(1, 1, 2)  # (H * W, 1, 4)
            grids.append(Boxes((centers + self.cells[i].to(feature.device)).reshape(-1, 4)))
        return grids


class ScriptableRotatedAnchors(nn.Module):
    """Anchors of a `RotatedAnchorGenerator`."""

    def __init__(self, generator: RotatedAnchorGenerator) -> None:
        super().__init__()
        self.cells = [cell.clone() for cell in generator.cell_anchors]
        self.strides = [float(stride) for stride in generator.strides]
        self.offset = float(generator.offset)

    def forward(self, features: list[Tensor]) -> list[RotatedBoxes]:
        """Return the anchors of every level."""
        grids: list[RotatedBoxes] = []
        for i, feature in enumerate(features):
            centers = grid_centers(feature, self.strides[i], self.offset)  # (H * W, 1, 2)
            cell = self.cells[i].to(feature.device)
            sizes_and_angles = cell[:, 2:].unsqueeze(0).expand(centers.shape[0], -1, -1)
            anchors = torch.cat((centers + cell[:, :2], sizes_and_angles), dim=2)
            grids.append(RotatedBoxes(anchors.reshape(-1, 5)))
        return grids


class ScriptableRPN(nn.Module):
    """Proposals of an `RPN` with axis-aligned anchors."""

    def __init__(self, rpn: proposal_generator.RPN) -> None:
        super().__init__()
        self.rpn_head = rpn.rpn_head
        self.anchor_generator = rpn.anchor_generator
        self.in_features = list(rpn.in_features)
        self.weights, self.scale_clamp = transform_parameters(rpn.box2box_transform, "RPN")
        self.pre_nms_topk, self.post_nms_topk = rpn.pre_nms_topk[False], rpn.post_nms_topk[False]
        self.nms_thresh, self.min_box_size = float(rpn.nms_thresh), float(rpn.min_box_size)

    def forward(
        self, images: ImageList, features: dict[str, Tensor], gt_instances: list[Instances] | None = None
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Return the proposals of every image, and an empty dictionary of losses."""
        levels = [features[name] for name in self.in_features]
        anchors = self.anchor_generator(levels)
        logits, deltas = self.rpn_head(levels)
        boxes: list[Tensor] = []
        scores: list[Tensor] = []
        levels_of_boxes: list[Tensor] = []
        for i in range(len(levels)):
            level_logits = flatten_cells(logits[i], 1).squeeze(2)
            score, index = level_logits.topk(min(level_logits.shape[1], self.pre_nms_topk), dim=1)
            chosen = anchors[i].tensor[index]  # (B, k, 4)
            moves = gather_rows(flatten_cells(deltas[i], 4), index).flatten(0, 1)
            moved = decode_boxes(moves, chosen.flatten(0, 1), self.weights, self.scale_clamp)
            boxes.append(moved.reshape(chosen.shape))
            scores.append(score)
            levels_of_boxes.append(torch.full([score.shape[1]], i, dtype=torch.int64, device=score.device))
        proposals = self._suppress(
            torch.cat(boxes, dim=1), torch.cat(scores, dim=1), torch.cat(levels_of_boxes), images.image_sizes
        )
        losses: dict[str, Tensor] = {}
        return proposals, losses

    def _suppress(
        self, boxes: Tensor, scores: Tensor, levels: Tensor, image_sizes: list[tuple[int, int]]
    ) -> list[Instances]:
        finite = boxes.isfinite().all(dim=2) & scores.isfinite()
        results: list[Instances] = []
        for i, image_size in enumerate(image_sizes):
            proposals = Boxes(boxes[i].nan_to_num())
            proposals.clip(image_size)
            kept = finite[i] & proposals.nonempty(self.min_box_size)
            proposals, logits = proposals[kept], scores[i][kept]
            best = batched_nms(proposals.tensor, logits, levels[kept], self.nms_thresh)[: self.post_nms_topk]
            results.append(Instances(image_size, proposal_boxes=proposals[best], objectness_logits=logits[best]))
        return results


class ScriptableMaskHead(nn.Module):
    """Masks of a `MaskRCNNConvUpsampleHead`."""

    def __init__(self, head: roi_heads.MaskRCNNConvUpsampleHead) -> None:
        super().__init__()
        self.convs = nn.ModuleList(getattr(head, name) for name in head._conv_names)
        self.deconv, self.predictor = head.deconv, head.predictor
        self.is_shared = head.predictor.out_channels == 1

    def forward(self, x: Tensor, instances: list[Instances]) -> list[Instances]:
        """Return `instances` with `pred_masks`."""
        x = fast_layout(x)
        for conv in self.convs:
            x = conv(x)
        x = F.relu_(self.deconv(x))
        if self.is_shared:
            logits = self.predictor(x)
        else:
            classes = torch.cat([per_image.pred_classes for per_image in instances])
            bias = self.predictor.bias
            weight = self.predictor.weight[classes].flatten(1)
            logits = torch.einsum("rchw,rc->rhw", x, weight)
            if bias is not None:
                logits = logits + bias[classes].unsqueeze(1).unsqueeze(2)
            logits = logits.unsqueeze(1)
        masks = logits.float().sigmoid().split([len(per_image) for per_image in instances])
        for i, per_image in enumerate(instances):
            per_image.pred_masks = masks[i]
        return instances


class ScriptableKeypointHead(nn.Module):
    """Keypoints of a `KRCNNConvDeconvUpsampleHead`."""

    def __init__(self, head: roi_heads.KRCNNConvDeconvUpsampleHead) -> None:
        super().__init__()
        self.convs = nn.ModuleList(getattr(head, name) for name in head._conv_names)
        self.score_lowres = head.score_lowres
        self.up_scale = float(head.up_scale)

    def forward(self, x: Tensor, instances: list[Instances]) -> list[Instances]:
        """Return `instances` with `pred_keypoints` and `pred_keypoint_heatmaps`."""
        x = fast_layout(x)
        for conv in self.convs:
            x = conv(x)
        x = F.interpolate(self.score_lowres(x), scale_factor=self.up_scale, mode="bilinear", align_corners=False)
        boxes = torch.cat([per_image.pred_boxes.tensor for per_image in instances])
        points = heatmaps_to_keypoints(x, boxes)
        points = torch.cat([points[:, :, :2], points[:, :, 3:]], dim=2)
        counts = [len(per_image) for per_image in instances]
        image_points, image_heats = points.split(counts), x.split(counts)
        for i, per_image in enumerate(instances):
            per_image.pred_keypoints, per_image.pred_keypoint_heatmaps = image_points[i], image_heats[i]
        return instances


class _BoxDetector(nn.Module):
    """Detections of a `FastRCNNOutputLayers`."""

    def __init__(self, predictor: roi_heads.FastRCNNOutputLayers, name: str) -> None:
        super().__init__()
        self.box_predictor = predictor
        self.weights, self.scale_clamp = transform_parameters(predictor.box2box_transform, name)
        self.use_sigmoid = bool(predictor.use_sigmoid_ce)
        self.score_thresh, self.nms_thresh = float(predictor.test_score_thresh), float(predictor.test_nms_thresh)
        self.topk = int(predictor.test_topk_per_image)

    def _detect(self, vectors: Tensor, proposals: list[Instances]) -> list[Instances]:
        scores, deltas = self.box_predictor(vectors)
        regions = torch.cat([per_image.proposal_boxes.tensor for per_image in proposals])
        boxes = decode_boxes(deltas, regions, self.weights, self.scale_clamp)
        probabilities = scores.sigmoid() if self.use_sigmoid else F.softmax(scores, dim=-1)
        counts = [per_image.proposal_boxes.tensor.shape[0] for per_image in proposals]
        image_boxes, image_scores = boxes.split(counts), probabilities.split(counts)
        results: list[Instances] = []
        for i, per_image in enumerate(proposals):
            results.append(self._best(image_boxes[i], image_scores[i], per_image.image_size))
        return results

    def _best(self, boxes: Tensor, scores: Tensor, image_size: tuple[int, int]) -> Instances:
        usable = boxes.isfinite().all(dim=1) & scores.isfinite().all(dim=1)
        scores = scores[:, :-1]
        entries = ((scores > self.score_thresh) & usable.unsqueeze(1)).nonzero()
        region, label = entries[:, 0], entries[:, 1]
        chosen = boxes[region] if boxes.shape[1] == 4 else boxes.view(boxes.shape[0], -1, 4)[region, label]
        clipped, confidence = Boxes(chosen), scores[region, label]
        clipped.clip(image_size)
        keep = batched_nms(clipped.tensor, confidence, label, self.nms_thresh)
        if self.topk >= 0:
            keep = keep[: self.topk]
        return Instances(image_size, pred_boxes=clipped[keep], scores=confidence[keep], pred_classes=label[keep])


class ScriptableROIHeads(_BoxDetector):
    """Detections of `StandardROIHeads`."""

    def __init__(self, heads: roi_heads.StandardROIHeads) -> None:
        super().__init__(heads.box_predictor, "StandardROIHeads")
        self.box_in_features = list(heads.box_in_features)
        self.box_pooler, self.box_head = heads.box_pooler, heads.box_head
        self.mask_in_features = list(heads.mask_in_features) if heads.mask_on else [""]
        self.mask_pooler: Any = heads.mask_pooler if heads.mask_on else None
        self.mask_head = heads.mask_head if heads.mask_on else None
        self.keypoint_in_features = list(heads.keypoint_in_features) if heads.keypoint_on else [""]
        self.keypoint_pooler: Any = heads.keypoint_pooler if heads.keypoint_on else None
        self.keypoint_head = heads.keypoint_head if heads.keypoint_on else None

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Return the detections of every image, and an empty dictionary of losses."""
        maps = [features[name] for name in self.box_in_features]
        pooled = self.box_pooler(maps, [per_image.proposal_boxes for per_image in proposals])
        detections = self._detect(self.box_head(pooled), proposals)
        if self.mask_head is not None:
            maps = [features[name] for name in self.mask_in_features]
            detections = self.mask_head(
                self.mask_pooler(maps, [per_image.pred_boxes for per_image in detections]), detections
            )
        if self.keypoint_head is not None:
            maps = [features[name] for name in self.keypoint_in_features]
            detections = self.keypoint_head(
                self.keypoint_pooler(maps, [per_image.pred_boxes for per_image in detections]), detections
            )
        losses: dict[str, Tensor] = {}
        return detections, losses


class ScriptableRes5Heads(_BoxDetector):
    """Detections of `Res5ROIHeads`."""

    def __init__(self, heads: roi_heads.Res5ROIHeads) -> None:
        super().__init__(heads.box_predictor, "Res5ROIHeads")
        self.in_features = list(heads.in_features)
        self.pooler, self.res5 = heads.pooler, heads.res5
        self.mask_head = heads.mask_head if heads.mask_on else None

    def forward(
        self,
        images: ImageList,
        features: dict[str, Tensor],
        proposals: list[Instances],
        targets: list[Instances] | None = None,
    ) -> tuple[list[Instances], dict[str, Tensor]]:
        """Return the detections of every image, and an empty dictionary of losses."""
        regions = self._regions(features, [per_image.proposal_boxes for per_image in proposals])
        detections = self._detect(regions.mean(dim=[2, 3]), proposals)
        if self.mask_head is not None:
            detections = self.mask_head(
                self._regions(features, [per_image.pred_boxes for per_image in detections]), detections
            )
        losses: dict[str, Tensor] = {}
        return detections, losses

    def _regions(self, features: dict[str, Tensor], boxes: list[Boxes]) -> Tensor:
        return self.res5(fast_layout(self.pooler([features[name] for name in self.in_features], boxes)))


class ScriptableRCNN(nn.Module):
    """Detections of a `GeneralizedRCNN`, at the resolution of its input."""

    def __init__(self, model: meta_arch.GeneralizedRCNN) -> None:
        super().__init__()
        if model.proposal_generator is None or model.backbone.padding_constraints.get("square_size", 0):
            raise TypeError(
                "GeneralizedRCNN: scripting needs a proposal generator, and a backbone without square padding"
            )
        self.backbone, self.proposal_generator = model.backbone, model.proposal_generator
        self.roi_heads = model.roi_heads
        self.divisibility = int(model.backbone.size_divisibility)
        self.pixel_mean: Tensor
        self.pixel_std: Tensor
        self.register_buffer("pixel_mean", model.pixel_mean, False)
        self.register_buffer("pixel_std", model.pixel_std, False)

    def forward(self, batched_inputs: list[dict[str, Tensor]]) -> list[Instances]:
        """Return the detections of every image."""
        return self.inference(batched_inputs, None, False)

    @torch.jit.export
    def inference(
        self,
        batched_inputs: list[dict[str, Tensor]],
        detected_instances: list[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> list[Instances]:
        """Return the detections of every image; rescaling to the original size is left to the caller."""
        if do_postprocess or detected_instances is not None:
            raise RuntimeError(
                "GeneralizedRCNN.inference: scripted models need do_postprocess=False and no detected_instances"
            )
        images = normalized_batch(batched_inputs, self.pixel_mean, self.pixel_std, self.divisibility)
        features = self.backbone(fast_layout(images.tensor))
        proposals = self.proposal_generator(images, features, None)[0]
        return self.roi_heads(images, features, proposals, None)[0]


def normalized_batch(inputs: list[dict[str, Tensor]], mean: Tensor, std: Tensor, divisibility: int) -> ImageList:
    """Normalise the images of a batch and pad them to one size."""
    images = [(item["image"].to(mean.device) - mean) / std for item in inputs]
    return ImageList.from_tensors(images, divisibility)


def transform_parameters(transform: object, name: str) -> tuple[list[float], float]:
    """Return the weights and the scale clamp of a `Box2BoxTransform` that belongs to `name`."""
    if not isinstance(transform, Box2BoxTransform):
        raise TypeError(f"{name}: only Box2BoxTransform can be scripted, got {type(transform).__name__}")
    return [float(weight) for weight in transform.weights], float(transform.scale_clamp)
