"""Drawing of model outputs on images and video frames."""

import numpy as np

from detectory.engine import instances_of
from detectory.structures.records import ModelOutput
from detectory.visualization import VideoVisualizer, VisImage, Visualizer


def draw_outputs(visualizer: Visualizer, outputs: ModelOutput, threshold: float) -> VisImage:
    """Draw the panoptic segmentation if present, or else the semantic segmentation and the instances."""
    if "panoptic_seg" in outputs:
        ids, segments = outputs["panoptic_seg"]
        return visualizer.draw_panoptic_seg_predictions(ids.cpu(), segments)
    if "sem_seg" in outputs:
        visualizer.draw_sem_seg(outputs["sem_seg"].argmax(dim=0).cpu())
    if "instances" in outputs:
        visualizer.draw_instance_predictions(instances_of(outputs, threshold))
    return visualizer.output


def draw_frame(visualizer: VideoVisualizer, frame: np.ndarray, outputs: ModelOutput, threshold: float) -> VisImage:
    """Draw outputs on a video frame like `draw_outputs`, with colours that are consistent across frames."""
    if "panoptic_seg" in outputs:
        ids, segments = outputs["panoptic_seg"]
        return visualizer.draw_panoptic_seg_predictions(frame, ids.cpu(), segments)
    if "sem_seg" in outputs:
        frame = visualizer.draw_sem_seg(frame, outputs["sem_seg"].argmax(dim=0).cpu()).get_image()
    if "instances" in outputs:
        return visualizer.draw_instance_predictions(frame, instances_of(outputs, threshold))
    return VisImage(frame)
