"""What of a model becomes a graph: from one image's pixels to raw predictions, before post-processing.

Post-processing stays outside: it pastes masks and enlarges heatmaps to sizes that a graph does not know.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.layers import Conv2d, FrozenBatchNorm2d
from detectory.modeling.meta_arch import GeneralizedRCNN, PanopticFPN, ProposalNetwork, SemanticSegmentor
from detectory.modeling.meta_arch.dense_detector import DenseDetector
from detectory.structures import Boxes, Instances

RawOutputs = dict[str, Tensor]


class InferenceGraph(nn.Module):
    """A model in evaluation mode as a function from tensors to tensors, for one image of any size.

    Holds a copy of the model on the CPU in float32, in which batch norms are folded into the convolutions before them.

    Args:
        model: A model of one of the meta-architectures in `detectory.modeling.meta_arch`, or of a subclass.

    Attributes:
        input_names: `image` (C, H, W) float32 from 0 to 255 in the model's channel order; and `proposal_boxes` (R, 4)
            where the model has no proposal generator.
        output_names: Of the tensors that `forward` returns, in order; set by `name_outputs`.

    Raises:
        TypeError: when the model is of no known meta-architecture.
        ValueError: when the model is in training mode.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if model.training:
            raise ValueError(f"InferenceGraph: {type(model).__name__} is in training mode, call eval() first")
        self.model = _fold_norms(copy.deepcopy(model).to("cpu", torch.float32))
        self._raw_outputs = _raw_outputs_of(model)
        needs_proposals = isinstance(model, GeneralizedRCNN) and model.proposal_generator is None
        self.input_names = ("image", "proposal_boxes") if needs_proposals else ("image",)
        self.output_names: tuple[str, ...] = ()

    def inputs_of(self, item: dict[str, Any]) -> tuple[Tensor, ...]:
        """Return the graph's inputs from one of the model's: `image`, and `proposals` where they are needed.

        Raises:
            ValueError: when `item` lacks an entry that is needed.
        """
        missing = [name for name in ("image", "proposals")[: len(self.input_names)] if name not in item]
        if missing:
            raise ValueError(f"InferenceGraph.inputs_of: an input needs {missing[0]!r}, got {sorted(item)}")
        tensors = [item["image"].to(torch.float32)]
        if len(self.input_names) > 1:
            tensors.append(item["proposals"].proposal_boxes.tensor)
        return tuple(tensors)

    def name_outputs(self, item: dict[str, Any]) -> None:
        """Run the model on one of its inputs to learn the names of its outputs."""
        with torch.no_grad():
            self.output_names = tuple(self._raw_outputs(self.model, item))

    def forward(self, image: Tensor, proposal_boxes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return raw predictions, named by `output_names`.

        Args:
            image: (C, H, W) float32.
            proposal_boxes: (R, 4) in pixels of `image`.
        """
        item: dict[str, Any] = {"image": image}
        if proposal_boxes is not None:
            size = (image.shape[1], image.shape[2])
            item["proposals"] = Instances(size, proposal_boxes=Boxes(proposal_boxes))
        return tuple(self._raw_outputs(self.model, item).values())


@torch.no_grad()
def _fold_norms(model: nn.Module) -> nn.Module:
    """Fold batch norms into convolutions, in place: a graph need not repeat that for every image."""
    model = FrozenBatchNorm2d.convert_frozen_batchnorm(model)
    for module in model.modules():
        if isinstance(module, Conv2d) and type(module.norm) is FrozenBatchNorm2d:
            weight, bias = module.norm.fold(module.weight, module.bias)
            module.weight, module.bias, module.norm = nn.Parameter(weight), nn.Parameter(bias), None
    return model


def _raw_outputs_of(model: nn.Module) -> Callable[[Any, dict[str, Any]], RawOutputs]:
    for kind, function in _RAW_OUTPUTS:
        if isinstance(model, kind):
            return function
    names = ", ".join(kind.__name__ for kind, _ in _RAW_OUTPUTS)
    raise TypeError(f"InferenceGraph: model must be one of {names}, got {type(model).__name__}")


def _panoptic(model: PanopticFPN, item: dict[str, Any]) -> RawOutputs:
    instances, semantic = model.inference([item], do_postprocess=False)
    return {**_tensors_of(instances[0]), "sem_seg": semantic[0]}


def _two_stage(model: GeneralizedRCNN, item: dict[str, Any]) -> RawOutputs:
    return _tensors_of(model.inference([item], do_postprocess=False)[0])


def _proposals(model: ProposalNetwork, item: dict[str, Any]) -> RawOutputs:
    images = model.preprocess_image([item])
    proposals, _ = model.proposal_generator(images, model.backbone(images.tensor), None)
    return _tensors_of(proposals[0])


def _dense(model: DenseDetector, item: dict[str, Any]) -> RawOutputs:
    images = model.preprocess_image([item])
    maps = model.backbone(images.tensor)
    features = [maps[name] for name in model.head_in_features]
    return _tensors_of(model.forward_inference(images, features, model.head(features))[0])


def _semantic(model: SemanticSegmentor, item: dict[str, Any]) -> RawOutputs:
    images = model.preprocess_image([item])
    results, _ = model.sem_seg_head(model.backbone(images.tensor), None)
    return {"sem_seg": results[0]}


_RAW_OUTPUTS: tuple[tuple[type, Callable[[Any, dict[str, Any]], RawOutputs]], ...] = (
    (PanopticFPN, _panoptic),
    (GeneralizedRCNN, _two_stage),
    (ProposalNetwork, _proposals),
    (DenseDetector, _dense),
    (SemanticSegmentor, _semantic),
)


def _tensors_of(instances: Instances) -> RawOutputs:
    """Return the fields as tensors; keypoints are left to post-processing, which reads them off the heatmaps."""
    fields = instances.get_fields()
    return {name: getattr(value, "tensor", value) for name, value in fields.items() if name != "pred_keypoints"}
