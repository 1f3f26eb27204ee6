"""Semantic heads are compared with label images and metadata before the first step."""

import numpy as np
import pytest
from PIL import Image
from torch import nn

from detectory.data import DatasetCatalog, MetadataCatalog
from detectory.engine.recipe.data_checks import MapperSettings, check_model_and_data
from detectory.evaluation import SemSegEvaluator
from detectory.modeling.layers import ShapeSpec
from detectory.modeling.meta_arch import SemSegFPNHead

MAPPER = MapperSettings(False, "polygon", False)


class Model(nn.Module):
    def __init__(self, num_classes, ignore_value=255):
        super().__init__()
        shapes = {"p2": ShapeSpec(channels=4, stride=4)}
        self.sem_seg_head = SemSegFPNHead(
            shapes, num_classes=num_classes, conv_dims=4, common_stride=4, ignore_value=ignore_value
        )


@pytest.fixture
def dataset(tmp_path):
    """Return a function that registers one label image per list of labels."""

    def register(images, **metadata):
        records = []
        for number, labels in enumerate(images):
            path = tmp_path / f"{number}.png"
            Image.fromarray(np.resize(np.uint8(labels), (8, 8))).save(path)
            records.append({"file_name": str(tmp_path / f"{number}.jpg"), "sem_seg_file_name": str(path)})
        DatasetCatalog.register("labelled", lambda: records)
        MetadataCatalog.get("labelled").set(**{"stuff_classes": ["sky", "road", "wall"], **metadata})
        return ["labelled"]

    yield register
    DatasetCatalog.remove("labelled")
    MetadataCatalog.remove("labelled")


def test_accepts_labels_of_the_head_and_ignored_pixels(dataset):
    check_model_and_data(Model(3), dataset([[0, 1, 255], [2]]), MAPPER)


def test_rejects_labels_that_the_head_does_not_have(dataset):
    with pytest.raises(ValueError, match=r"has 2 classes.* contain 2 \(wall\); the first is .*1\.png") as error:
        check_model_and_data(Model(2), dataset([[0, 1], [2]]), MAPPER)
    assert "Set model.sem_seg_head.num_classes=3 (MODEL.SEM_SEG_HEAD.NUM_CLASSES=3" in str(error.value)


def test_rejects_ignored_labels_that_the_head_does_not_ignore(dataset):
    with pytest.raises(ValueError, match=r"contain 255, which the dataset ignores.*sem_seg_head\.ignore_value=255"):
        check_model_and_data(Model(3, ignore_value=-1), dataset([[0, 255]]), MAPPER)


def test_rejects_a_semantic_head_without_label_images(dataset):
    names = dataset([[0]])
    DatasetCatalog.get("labelled")[0].pop("sem_seg_file_name")
    with pytest.raises(ValueError, match="dataset labelled have no label images"):
        check_model_and_data(Model(3), names, MAPPER)


def test_rejects_ids_that_are_not_contiguous(dataset):
    names = dataset([[0]], stuff_dataset_id_to_contiguous_id={7: 0, 8: 1, 9: 8})
    with pytest.raises(ValueError, match="must map to the indices 0 to 2 of its 3 stuff classes, got 8"):
        check_model_and_data(Model(3), names, MAPPER)


def test_another_number_of_stuff_classes_is_a_warning(dataset, caplog):
    check_model_and_data(Model(5), dataset([[0, 1]]), MAPPER)
    assert "the semantic head has 5 classes, dataset labelled has 3 stuff classes: sky, road, wall" in caplog.text


def test_missing_label_images_are_named(dataset, tmp_path):
    dataset([[0], [1]])
    (tmp_path / "1.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"1 label images do not exist, the first is .*1\.png"):
        SemSegEvaluator("labelled").check()


def test_evaluation_needs_a_category_id_of_every_class(dataset, tmp_path):
    dataset([[0]], stuff_dataset_id_to_contiguous_id={7: 0, 9: 2})
    with pytest.raises(ValueError, match="all 3 stuff_classes, but 1 is missing"):
        SemSegEvaluator("labelled", output_dir=str(tmp_path)).check()
