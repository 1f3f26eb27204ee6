"""Two-stage detectors: region proposals, then predictions for each region."""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from detectory.core.events import get_event_storage, has_event_storage
from detectory.modeling.backbone import Backbone
from detectory.modeling.postprocessing import detector_postprocess
from detectory.structures import Instances, ModelInput, ModelOutput

from .image_input import ImageNormalizer, output_size

TrainingVisualizer = Callable[[Sequence[ModelInput], Sequence[Instances]], None]


class GeneralizedRCNN(ImageNormalizer):
    """Two-stage detector: a backbone, a proposal generator and ROI heads.

    Args:
        backbone: Maps images to feature maps.
        proposal_generator: Maps feature maps to proposals, like `RPN`; `None` if the inputs contain `"proposals"`.
        roi_heads: Maps proposals to detections, like `StandardROIHeads`.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
        input_format: Order of the channels, `"BGR"` or `"RGB"`. Used only to visualize the training.
        vis_period: Period, in iterations, of visualizing the training; 0 for never.

    Attributes:
        training_visualizer: Function that is called with inputs and proposals every `vis_period` iterations, while an
            event storage is active; `None` by default. (This package does not depend on the visualization.)

    Source: Girshick, "Fast R-CNN", 2015; Ren et al., "Faster R-CNN", 2015; He et al., "Mask R-CNN", 2017.
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

    def forward(self, batched_inputs: Sequence[ModelInput]) -> dict[str, Tensor] | list[ModelOutput]:
        """Return the losses (training) or detections (inference) of a batch.

        Args:
            batched_inputs: One dictionary per image: `"image"` `(C, H, W)`; `"instances"` with the ground truth, in
                training; optionally `"height"` and `"width"` of the output; `"proposals"` if there is no proposal
                generator.

        Returns:
            In training, the losses by name. In inference, `{"instances": Instances}` for each image, with `pred_boxes`,
            `scores`, `pred_classes`, and `pred_masks` and `pred_keypoints` if there are heads for them.

        Raises:
            ValueError: If `"proposals"` are missing and there is not a proposal generator.
        """
        if not self.training:
            return self.inference(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        targets = self._ground_truth(batched_inputs)
        features = self.backbone(images.tensor)
        if self.proposal_generator is not None:
            proposals, proposal_losses = self.proposal_generator(images, features, targets)
        else:
            proposals, proposal_losses = self._given_proposals(batched_inputs), {}
        _, head_losses = self.roi_heads(images, features, proposals, targets)
        if self.vis_period > 0 and has_event_storage() and get_event_storage().iter % self.vis_period == 0:
            self.visualize_training(batched_inputs, proposals)
        return {**head_losses, **proposal_losses}

    def inference(
        self,
        batched_inputs: Sequence[ModelInput],
        detected_instances: Sequence[Instances] | None = None,
        do_postprocess: bool = True,
    ) -> Any:
        """Return the detections of a batch.

        Args:
            batched_inputs: As in `forward`.
            detected_instances: Known detections of each image, with `pred_boxes` and `pred_classes` in the resolution
                of the model input. Then only masks and keypoints are predicted.
            do_postprocess: Whether to rescale the detections to the output size.

        Returns:
            As in `forward`; without post-processing, the `Instances` of each image in the resolution of the model
            input.

        Raises:
            RuntimeError: If the model is in training mode.
        """
        if self.training:
            raise RuntimeError(f"{type(self).__name__}.inference: the model is in training mode, call eval() first")
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        if detected_instances is None:
            if self.proposal_generator is not None:
                proposals, _ = self.proposal_generator(images, features, None)
            else:
                proposals = self._given_proposals(batched_inputs)
            results, _ = self.roi_heads(images, features, proposals, None)
        else:
            detections = [instances.to(self.device) for instances in detected_instances]
            results = self.roi_heads.forward_with_given_boxes(features, detections)
        return self._postprocess(results, batched_inputs, images.image_sizes) if do_postprocess else results

    def _given_proposals(self, batched_inputs: Sequence[ModelInput]) -> list[Instances]:
        """Return the proposals in the inputs, on the device of the model."""
        for i, item in enumerate(batched_inputs):
            if "proposals" not in item:
                raise ValueError(
                    f"{type(self).__name__}: without proposal generator, input {i} needs 'proposals', got {list(item)}"
                )
        return [item["proposals"].to(self.device) for item in batched_inputs]

    def visualize_training(self, batched_inputs: Sequence[ModelInput], proposals: Sequence[Instances]) -> None:
        """Pass the inputs and proposals of this iteration to `training_visualizer`, if it is set."""
        if self.training_visualizer is not None:
            self.training_visualizer(batched_inputs, proposals)

    @staticmethod
    def _postprocess(
        instances: Sequence[Instances], batched_inputs: Sequence[ModelInput], image_sizes: Sequence[tuple[int, int]]
    ) -> list[ModelOutput]:
        """Rescale the detections of each image to its output size."""
        return [
            {"instances": detector_postprocess(detections, *output_size(item, size))}
            for detections, item, size in zip(instances, batched_inputs, image_sizes, strict=True)
        ]


class ProposalNetwork(ImageNormalizer):
    """The first stage of a two-stage detector: a backbone and a proposal generator.

    Args:
        backbone: Maps images to feature maps.
        proposal_generator: Maps feature maps to proposals, like `RPN`.
        pixel_mean: Mean of each channel, in the range of the input images (0 to 255).
        pixel_std: Standard deviation of each channel, in the same range.
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

    def forward(self, batched_inputs: Sequence[ModelInput]) -> dict[str, Tensor] | list[ModelOutput]:
        """Return the losses (training) or proposals (inference) of a batch.

        Args:
            batched_inputs: As for `GeneralizedRCNN`.

        Returns:
            In training, the losses by name. In inference, `{"proposals": Instances}` for each image, with
            `proposal_boxes` and `objectness_logits`.
        """
        images = self.preprocess_image(batched_inputs)
        targets = self._ground_truth(batched_inputs)
        proposals, losses = self.proposal_generator(images, self.backbone(images.tensor), targets)
        if self.training:
            return losses
        return [
            {"proposals": detector_postprocess(image_proposals, *output_size(item, size))}
            for image_proposals, item, size in zip(proposals, batched_inputs, images.image_sizes, strict=True)
        ]
