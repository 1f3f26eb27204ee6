"""Two-stage detectors: propose regions, then look at each."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from detectory.core.events import get_event_storage, has_event_storage
from detectory.modeling.backbone import Backbone
from detectory.modeling.postprocessing import detector_postprocess
from detectory.structures import Instances

from .image_input import ImageNormalizer, ModelInput, output_size

TrainingVisualizer = Callable[[ModelInput, Sequence[Instances]], None]


class GeneralizedRCNN(ImageNormalizer):
    """A backbone, a proposal generator and ROI heads.

    Args:
        backbone: Maps images to feature maps.
        proposal_generator: Maps feature maps to proposals, as `RPN`; `None` where inputs bring `"proposals"`.
        roi_heads: Maps proposals to detections, as `StandardROIHeads`.
        pixel_mean: Mean of each channel, in the units of the input (0 to 255).
        pixel_std: Deviation of each channel.
        input_format: Meaning of the channels (`"BGR"`, `"RGB"`); only pictures of the training need it.
        vis_period: Iterations from one picture of the training to the next, 0 for none.

    Attributes:
        training_visualizer: Called with inputs and proposals every `vis_period` iterations while an event
            storage is active; `None` draws nothing. (Drawing is not this package's business.)
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        proposal_generator: Any,
        roi_heads: Any,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        input_format: str | None = None,
        vis_period: int = 0,
    ) -> None:
        super().__init__(backbone, pixel_mean, pixel_std)
        self.proposal_generator: Any = proposal_generator
        self.roi_heads: Any = roi_heads
        self.input_format = input_format
        self.vis_period = vis_period
        self.training_visualizer: TrainingVisualizer | None = None

    def forward(self, batched_inputs: ModelInput) -> dict[str, Tensor] | list[dict[str, Any]]:
        """Train on, or detect in, a batch.

        Args:
            batched_inputs: One dictionary an image: `"image"` `(C, H, W)`; `"instances"` in training;
                `"height"` and `"width"` of the wanted result; `"proposals"` where there is no
                proposal generator.

        Returns:
            Losses by name in training; else for every image `{"instances": Instances}` with `pred_boxes`,
            `scores`, `pred_classes`, and `pred_masks` and `pred_keypoints` where there are heads.
        """
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        truth = self._ground_truth(batched_inputs)
        features = self.backbone(images.tensor)
        if self.proposal_generator is not None:
            proposals, losses = self.proposal_generator(images, features, truth)
        else:
            proposals, losses = self._given_proposals(batched_inputs), {}
        _, head_losses = self.roi_heads(images, features, proposals, truth)
        if self.vis_period > 0 and has_event_storage() and get_event_storage().iter % self.vis_period == 0:
            self.visualize_training(batched_inputs, proposals)
        return {**head_losses, **losses}

    def inference(
        self,
        batched_inputs: ModelInput,
        detected_instances: Sequence[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> Any:
        """Detect in a batch.

        Args:
            batched_inputs: As in `forward`.
            detected_instances: Known boxes of every image, `pred_boxes` and `pred_classes` in the
                resolution that the model sees; only masks and keypoints are then predicted.
            do_postprocess: Whether to scale the results to the wanted size.

        Returns:
            As in `forward`, or the raw `Instances` without post-processing.
        """
        if self.training:
            raise RuntimeError(f"{type(self).__name__}.inference: only works in inference, call eval()")
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        if detected_instances is None:
            if self.proposal_generator is not None:
                proposals, _ = self.proposal_generator(images, features, None)
            else:
                proposals = self._given_proposals(batched_inputs)
            results, _ = self.roi_heads(images, features, proposals, None)
        else:
            known = [found.to(self.device) for found in detected_instances]
            results = self.roi_heads.forward_with_given_boxes(features, known)
        return self._postprocess(results, batched_inputs, images.image_sizes) if do_postprocess else results

    def _given_proposals(self, batched_inputs: ModelInput) -> list[Instances]:
        for i, item in enumerate(batched_inputs):
            if "proposals" not in item:
                raise ValueError(
                    f"{type(self).__name__}: without a proposal generator input {i} needs 'proposals', has {list(item)}"
                )
        return [item["proposals"].to(self.device) for item in batched_inputs]

    def visualize_training(self, batched_inputs: ModelInput, proposals: Sequence[Instances]) -> None:
        """Hand inputs and proposals of this iteration to `training_visualizer`, if there is one."""
        if self.training_visualizer is not None:
            self.training_visualizer(batched_inputs, proposals)

    @staticmethod
    def _postprocess(
        instances: Sequence[Instances], batched_inputs: ModelInput, image_sizes: Sequence[tuple[int, int]]
    ) -> list[dict[str, Any]]:
        """Scale every image's detections to its wanted size."""
        return [
            {"instances": detector_postprocess(found, *output_size(item, size))}
            for found, item, size in zip(instances, batched_inputs, image_sizes, strict=True)
        ]


class ProposalNetwork(ImageNormalizer):
    """A detector that stops at the proposals.

    Args:
        backbone: Maps images to feature maps.
        proposal_generator: Maps feature maps to proposals, as `RPN`.
        pixel_mean: Mean of each channel, in the units of the input (0 to 255).
        pixel_std: Deviation of each channel.
    """

    def __init__(
        self,
        *,
        backbone: Backbone,
        proposal_generator: nn.Module,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
    ) -> None:
        super().__init__(backbone, pixel_mean, pixel_std)
        self.proposal_generator = proposal_generator

    def forward(self, batched_inputs: ModelInput) -> dict[str, Tensor] | list[dict[str, Any]]:
        """Train on, or propose in, a batch; inputs as for `GeneralizedRCNN`.

        Returns:
            Losses by name in training; else for every image `{"proposals": Instances}` with
            `proposal_boxes` and `objectness_logits`.
        """
        images = self.preprocess_image(batched_inputs)
        truth = self._ground_truth(batched_inputs)
        proposals, losses = self.proposal_generator(images, self.backbone(images.tensor), truth)
        if self.training:
            return losses
        return [
            {"proposals": detector_postprocess(found, *output_size(item, size))}
            for found, item, size in zip(proposals, batched_inputs, images.image_sizes, strict=True)
        ]
