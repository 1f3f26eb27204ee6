"""Panoptic-DeepLab: panoptic segmentation without proposals.

Source: Cheng et al., "Panoptic-DeepLab: A Simple, Strong, and Fast Baseline for Bottom-Up Panoptic Segmentation", CVPR
2020.
"""

from collections.abc import Collection, Sequence
from typing import Any

import torch
from torch import Tensor

from detectory.modeling.backbone import Backbone
from detectory.modeling.meta_arch.image_input import ImageNormalizer, output_size
from detectory.modeling.postprocessing import sem_seg_postprocess
from detectory.structures import BitMasks, ImageList, Instances

from .post_processing import get_panoptic_segmentation

__all__ = ["PanopticDeepLab"]


class PanopticDeepLab(ImageNormalizer):
    """A backbone, a semantic head, and a head for centers and offsets of instances.

    Args:
        backbone: Maps images to feature maps.
        sem_seg_head: A `PanopticDeepLabSemSegHead`.
        ins_embed_head: A `PanopticDeepLabInsEmbedHead`.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        thing_ids: Contiguous ids of the thing classes.
        label_divisor: Factor of the class in a panoptic id.
        stuff_area: Stuff segments with fewer pixels are void.
        center_threshold: Minimum heat of a center, exclusive.
        nms_kernel: Side of the window in which a center must be the maximum.
        top_k_instance: Maximum number of instances.
        predict_instances: Whether to return things as `Instances` as well.
        size_divisibility: Images are padded to multiples of this number; 0 uses that of the backbone.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        sem_seg_head: Any,
        ins_embed_head: Any,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        thing_ids: Collection[int],
        label_divisor: int = 1000,
        stuff_area: int = 2048,
        center_threshold: float = 0.1,
        nms_kernel: int = 7,
        top_k_instance: int = 200,
        predict_instances: bool = True,
        size_divisibility: int = 0,
    ) -> None:
        super().__init__(backbone, pixel_mean, pixel_std)
        self.sem_seg_head, self.ins_embed_head = sem_seg_head, ins_embed_head
        self.thing_ids, self.label_divisor = set(thing_ids), label_divisor
        self.stuff_area, self.center_threshold = stuff_area, center_threshold
        self.nms_kernel, self.top_k_instance = nms_kernel, top_k_instance
        self.predict_instances = predict_instances
        self.size_divisibility = size_divisibility

    def forward(self, batched_inputs: Sequence[Any]) -> dict[str, Tensor] | list[dict[str, Any]]:
        """Return the losses (training) or segmentations (inference) of a batch.

        Args:
            batched_inputs: One dictionary per image with `"image"` `(C, H, W)`; in training also the targets of
                `PanopticDeepLabTargetGenerator`; optionally `"height"` and `"width"` of the output.

        Returns:
            In training, the losses by name. In inference, a dictionary for each image with `"sem_seg"`, logits
            `(K, height, width)`; `"panoptic_seg"`, the panoptic ids `(height, width)` and None; and `"instances"`, if
            the image contains things.
        """
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        if self.training:
            return self._losses(features, batched_inputs)
        semantic, _ = self.sem_seg_head(features)
        centers, offsets, _, _ = self.ins_embed_head(features)
        results = []
        for index, (item, size) in enumerate(zip(batched_inputs, images.image_sizes, strict=True)):
            height, width = output_size(item, size)
            maps = (semantic[index], centers[index], offsets[index])
            results.append(self._segment(*(sem_seg_postprocess(x, size, height, width) for x in maps)))
        return results

    def _losses(self, features: dict[str, Tensor], batched_inputs: Sequence[Any]) -> dict[str, Tensor]:
        semantic = self._targets(batched_inputs, "sem_seg", self.sem_seg_head.ignore_value)
        weights = self._targets(batched_inputs, "sem_seg_weights")
        _, losses = self.sem_seg_head(features, semantic, weights)
        center, offset = (self._targets(batched_inputs, name) for name in ("center", "offset"))
        center_weights, offset_weights = (
            self._targets(batched_inputs, f"{name}_weights") for name in ("center", "offset")
        )
        _, _, center_loss, offset_loss = self.ins_embed_head(
            features, _with_channel(center), _with_channel(center_weights), offset, _with_channel(offset_weights)
        )
        return {**losses, **center_loss, **offset_loss}

    def _targets(self, batched_inputs: Sequence[Any], name: str, pad_value: float = 0.0) -> Tensor:
        """Return a batch of targets, padded like the images."""
        missing = [index for index, item in enumerate(batched_inputs) if name not in item]
        if missing:
            raise ValueError(
                f"PanopticDeepLab: input {missing[0]} has no '{name}'. "
                "PanopticDeepLabDatasetMapper adds the targets of the training"
            )
        return self._batch([item[name].to(self.device) for item in batched_inputs], pad_value).tensor

    def _batch(self, tensors: list[Tensor], pad_value: float = 0.0) -> ImageList:
        if self.size_divisibility <= 0:
            return super()._batch(tensors, pad_value)
        return ImageList.from_tensors(tensors, self.size_divisibility, pad_value=pad_value)

    def _segment(self, semantic: Tensor, center: Tensor, offset: Tensor) -> dict[str, Any]:
        """Return the outputs of an image for its predictions in the size of the output."""
        panoptic, _ = get_panoptic_segmentation(
            semantic.argmax(dim=0, keepdim=True),
            center,
            offset,
            thing_ids=self.thing_ids,
            label_divisor=self.label_divisor,
            stuff_area=self.stuff_area,
            void_label=-1,
            threshold=self.center_threshold,
            nms_kernel=self.nms_kernel,
            top_k=self.top_k_instance,
        )
        result: dict[str, Any] = {"sem_seg": semantic, "panoptic_seg": (panoptic[0], None)}
        if self.predict_instances:
            instances = self._instances(panoptic[0], semantic, center[0])
            if instances is not None:
                result["instances"] = instances
        return result

    def _instances(self, panoptic: Tensor, semantic: Tensor, heat: Tensor) -> Instances | None:
        """Return the things, None if there are none.

        The score is the mean probability of the class times the heat at the centroid.
        """
        probabilities = semantic.softmax(dim=0)
        masks, scores, classes = [], [], []
        for label in panoptic.unique().tolist():
            class_id = label // self.label_divisor
            if label < 0 or class_id not in self.thing_ids:
                continue
            mask = panoptic == label
            rows, columns = torch.nonzero(mask, as_tuple=True)
            at_centroid = heat[int(rows.float().mean()), int(columns.float().mean())]
            masks.append(mask)
            scores.append(probabilities[class_id][mask].mean() * at_centroid)
            classes.append(class_id)
        if not masks:
            return None
        pred_masks = torch.stack(masks)
        return Instances(
            (panoptic.shape[0], panoptic.shape[1]),
            pred_masks=pred_masks,
            pred_boxes=BitMasks(pred_masks).get_bounding_boxes(),
            scores=torch.stack(scores),
            pred_classes=torch.tensor(classes, device=panoptic.device),
        )


def _with_channel(x: Tensor) -> Tensor:
    """Return targets `(B, 1, H, W)` from `(B, H, W)` or `(B, 1, H, W)`."""
    return x if x.dim() == 4 else x[:, None]
