"""Augmentations and transforms of a project, a mapper subclass, and drawing of its samples."""

import copy
import os
import sys

import numpy as np
import torch
from detectron2.data import DatasetCatalog, DatasetMapper, MetadataCatalog, build_detection_train_loader
from detectron2.data import detection_utils as utils
from detectron2.data import transforms as T
from detectron2.data.transforms.augmentation import Augmentation, _get_aug_input_args
from detectron2.structures import BoxMode, PolygonMasks
from detectron2.utils.visualizer import Visualizer
from fvcore.transforms.transform import Transform, TransformList

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from small_setup import register, small_config, start


class Transpose(Transform):
    def apply_image(self, img):
        return np.ascontiguousarray(img.swapaxes(0, 1))

    def apply_coords(self, coords):
        return coords[:, ::-1]

    def inverse(self):
        return Transpose()


Transform.register_type("tag", lambda transform, tag: f"{tag}-{type(transform).__name__}")
Transpose.register_type("tag", lambda transform, tag: f"{tag}T")


class BoxDependentCrop(Augmentation):
    def get_transform(self, image, boxes):
        x0, y0, _x1, _y1 = np.floor(boxes[0]).astype(int)
        return T.CropTransform(max(x0 - 4, 0), max(y0 - 4, 0), 40, 40, image.shape[1], image.shape[0])


class SizeAug(T.Augmentation):
    input_args = ("image", "sem_seg")

    def __init__(self, scale, prob=1.0):
        super().__init__()
        self._init(locals())

    def get_transform(self, image, sem_seg):
        assert image.shape[:2] == sem_seg.shape[:2]
        h, w = image.shape[:2]
        return T.ResizeTransform(h, w, int(h * self.scale), int(w * self.scale))


class Mapper(DatasetMapper):
    @classmethod
    def from_config(cls, cfg, is_train=True):
        found = super().from_config(cfg, is_train)
        found["augmentations"] = [BoxDependentCrop(), T.RandomApply(T.RandomBrightness(0.9, 1.1)), Transpose()]
        return found

    def __call__(self, dataset_dict):
        dataset_dict = copy.deepcopy(dataset_dict)
        image = utils.read_image(dataset_dict["file_name"], format=self.image_format)
        boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in dataset_dict["annotations"]]
        aug_input = T.AugInput(image, boxes=np.asarray(boxes, dtype=np.float64))
        transforms = self.augmentations(aug_input)
        dataset_dict["image"] = torch.as_tensor(np.ascontiguousarray(aug_input.image.transpose(2, 0, 1)))
        self._transform_annotations(dataset_dict, transforms, aug_input.image.shape[:2])
        assert isinstance(dataset_dict["instances"].gt_masks, PolygonMasks)
        return dataset_dict


def main(args):
    register(args.root)
    cfg = small_config(args.root)
    joined = TransformList([Transpose()]) + T.HFlipTransform(10)
    assert joined.transforms[0].apply_tag("a") == "aT"
    assert joined.transforms[1].apply_tag("a") == "a-HFlipTransform"
    given = T.AugInput(np.zeros((20, 30, 3), np.uint8), sem_seg=np.zeros((20, 30), np.uint8))
    assert _get_aug_input_args(SizeAug(2.0), given)[0] is given.image
    assert "scale=2.0" in repr(SizeAug(2.0))
    transforms = T.AugmentationList([SizeAug(2.0), T.RandomFlip(prob=1.0), T.NoOpTransform()])(given)
    assert given.image.shape == (40, 60, 3)
    assert given.sem_seg.shape == (40, 60)
    assert np.allclose(transforms.inverse().apply_coords(transforms.apply_coords(np.array([[3.0, 4.0]]))), [[3, 4]])
    batch = next(iter(build_detection_train_loader(cfg, mapper=Mapper(cfg, True))))
    assert tuple(batch[0]["image"].shape) == (3, 40, 40)
    metadata = MetadataCatalog.get("rectangles")
    pixels = utils.convert_image_to_rgb(batch[0]["image"].permute(1, 2, 0), cfg.INPUT.FORMAT)
    target = batch[0]["instances"].get_fields()
    labels = [metadata.thing_classes[i] for i in target["gt_classes"]]
    drawn = Visualizer(pixels, metadata=metadata, scale=2).overlay_instances(
        labels=labels, boxes=target["gt_boxes"], masks=target["gt_masks"]
    )
    assert drawn.get_image().shape == (80, 80, 3)
    record = DatasetCatalog.get("rectangles")[0]
    drawn = Visualizer(utils.read_image(record["file_name"]), metadata).draw_dataset_dict(record)
    drawn.save(os.path.join(args.root, f"drawn_{os.getpid()}.png"))


if __name__ == "__main__":
    start(main)
