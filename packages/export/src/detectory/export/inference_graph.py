"""`InferenceGraph`: the exportable part of a model, from the pixels of one image to raw predictions.

Post-processing is left out, because it resizes masks and heatmaps to an output size that the graph does not know.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from detectory.modeling.fast_inference import fold_batch_norms
from detectory.modeling.meta_arch import GeneralizedRCNN, PanopticFPN, ProposalNetwork, SemanticSegmentor
from detectory.modeling.meta_arch.dense_detector import DenseDetector
from detectory.structures import Boxes, Instances
from detectory.structures.records import ModelInput

RawOutputs = dict[str, Tensor]


class InferenceGraph(nn.Module):
    """A model in evaluation mode as a function from tensors to tensors, for one image of any size.

    Contains a float32 copy of the model on the CPU, with batch norms folded into the preceding convolutions.

    Args:
        model: A model of one of the meta-architectures in `detectory.modeling.meta_arch`, or of a subclass.

    Attributes:
        input_names: `image` (C, H, W) float32 from 0 to 255 in the model's channel order and, if the model does not
            have a proposal generator, `proposal_boxes` (R, 4).
        output_names: Names of the tensors returned by `forward`, in order; set by `name_outputs`.

    Raises:
        TypeError: If the meta-architecture is not supported.
        ValueError: If the model is in training mode.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        if model.training:
            raise ValueError(f"InferenceGraph: {type(model).__name__} is in training mode, call eval() first")
        self.model = fold_batch_norms(copy.deepcopy(model).to("cpu", torch.float32))
        self._raw_outputs = _raw_outputs_of(model)
        needs_proposals = isinstance(model, GeneralizedRCNN) and model.proposal_generator is None
        self.input_names = ("image", "proposal_boxes") if needs_proposals else ("image",)
        self.output_names: tuple[str, ...] = ()

    def inputs_of(self, item: ModelInput) -> tuple[Tensor, ...]:
        """Convert a model input (`image` and, if needed, `proposals`) to the graph's inputs.

        Raises:
            ValueError: If a required entry is missing.
        """
        missing = [name for name in ("image", "proposals")[: len(self.input_names)] if name not in item]
        if missing:
            raise ValueError(f"InferenceGraph.inputs_of: an input needs {missing[0]!r}, got {sorted(item)}")
        tensors = [item["image"].to(torch.float32)]
        if len(self.input_names) > 1:
            tensors.append(item["proposals"].proposal_boxes.tensor)
        return tuple(tensors)

    def name_outputs(self, item: ModelInput) -> None:
        """Run the model on an input to determine `output_names`."""
        with torch.no_grad():
            self.output_names = tuple(self._raw_outputs(self.model, item))

    def forward(self, image: Tensor, proposal_boxes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return raw predictions, named by `output_names`.

        Args:
            image: (C, H, W) float32.
            proposal_boxes: (R, 4) in pixels of `image`.
        """
        item: ModelInput = {"image": image}
        if proposal_boxes is not None:
            size = (image.shape[1], image.shape[2])
            item["proposals"] = Instances(size, proposal_boxes=Boxes(proposal_boxes))
        return tuple(self._raw_outputs(self.model, item).values())


def _raw_outputs_of(model: nn.Module) -> Callable[[Any, ModelInput], RawOutputs]:
    for meta_architecture, function in _RAW_OUTPUTS:
        if isinstance(model, meta_architecture):
            return function
    names = ", ".join(meta_architecture.__name__ for meta_architecture, _ in _RAW_OUTPUTS)
    raise TypeError(f"InferenceGraph: model must be one of {names}, got {type(model).__name__}")


def _panoptic(model: PanopticFPN, item: ModelInput) -> RawOutputs:
    instances, semantic = model.inference([item], do_postprocess=False)
    return {**_tensors_of(instances[0]), "sem_seg": semantic[0]}


def _two_stage(model: GeneralizedRCNN, item: ModelInput) -> RawOutputs:
    return _tensors_of(model.inference([item], do_postprocess=False)[0])


def _proposals(model: ProposalNetwork, item: ModelInput) -> RawOutputs:
    images = model.preprocess_image([item])
    proposals, _ = model.proposal_generator(images, model.backbone(images.tensor), None)
    return _tensors_of(proposals[0])


def _dense(model: DenseDetector, item: ModelInput) -> RawOutputs:
    images = model.preprocess_image([item])
    maps = model.backbone(images.tensor)
    features = [maps[name] for name in model.head_in_features]
    return _tensors_of(model.forward_inference(images, features, model.head(features))[0])


def _semantic(model: SemanticSegmentor, item: ModelInput) -> RawOutputs:
    images = model.preprocess_image([item])
    results, _ = model.sem_seg_head(model.backbone(images.tensor), None)
    return {"sem_seg": results[0]}


_RAW_OUTPUTS: tuple[tuple[type, Callable[[Any, ModelInput], RawOutputs]], ...] = (
    (PanopticFPN, _panoptic),
    (GeneralizedRCNN, _two_stage),
    (ProposalNetwork, _proposals),
    (DenseDetector, _dense),
    (SemanticSegmentor, _semantic),
)


def _tensors_of(instances: Instances) -> RawOutputs:
    """Return the fields as tensors, without keypoints, which post-processing decodes from the heatmaps."""
    fields = instances.get_fields()
    return {name: getattr(value, "tensor", value) for name, value in fields.items() if name != "pred_keypoints"}
