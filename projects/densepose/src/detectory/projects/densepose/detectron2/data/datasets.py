"""Registration of the built-in datasets; their files are below the folder `datasets`."""

from detectory.data import DatasetCatalog
from detectory.projects.densepose.data import register_densepose

_COCO_SPLITS = {
    "train": ("train2014", "densepose_train2014"),
    "minival": ("val2014", "densepose_minival2014"),
    "minival_100": ("val2014", "densepose_minival2014_100"),
    "valminusminival": ("val2014", "densepose_valminusminival2014"),
}
_OTHER = {
    "densepose_chimps": ("densepose_chimps/images", "densepose_chimps/densepose_chimps_densepose.json"),
    "densepose_chimps_cse_train": ("densepose_chimps/images", "densepose_chimps/densepose_chimps_cse_train.json"),
    "densepose_chimps_cse_val": ("densepose_chimps/images", "densepose_chimps/densepose_chimps_cse_val.json"),
    "base_coco_2017_train": ("coco/train2017", "coco/annotations/instances_train2017.json"),
    "base_coco_2017_val": ("coco/val2017", "coco/annotations/instances_val2017.json"),
    "base_coco_2017_val_100": ("coco/val2017", "coco/annotations/instances_val2017_100.json"),
}
_LVIS = [f"densepose_lvis_v1_{part}_{split}_v1" for part in ("ds1", "ds2") for split in ("train", "val")]
_LVIS += ["densepose_lvis_v1_ds1_val_animals_100"]


def register_all(root: str = "datasets") -> None:
    """Register the datasets that are not registered yet, with files below a folder."""
    for split, (images, annotations) in _COCO_SPLITS.items():
        _register(
            f"densepose_coco_2014_{split}", f"{root}/coco/annotations/{annotations}.json", f"{root}/coco/{images}"
        )
        cse = f"{root}/coco_cse/{annotations}_cse.json"
        _register(f"densepose_coco_2014_{split}_cse", cse, f"{root}/coco/{images}")
    for name, (images, annotations) in _OTHER.items():
        _register(name, f"{root}/{annotations}", f"{root}/{images}")
    for name in _LVIS:
        _register(name, f"{root}/lvis/{name}.json", f"{root}/coco")


def _register(name: str, annotations: str, images: str) -> None:
    if name not in DatasetCatalog.list():
        register_densepose(name, annotations, images, class_to_mesh_name={})


register_all()
