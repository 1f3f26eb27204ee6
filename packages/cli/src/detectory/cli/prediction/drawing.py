"""Drawing of model outputs on video frames."""

import numpy as np

from detectory.engine import instances_of
from detectory.structures.model_formats import ModelOutput
from detectory.visualization import VideoVisualizer, VisImage


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
