import pytest
import torch

from detectory.modeling.matcher import Matcher
from detectory.modeling.sampling import subsample_labels

QUALITY = torch.tensor([[0.9, 0.4, 0.1, 0.0], [0.1, 0.5, 0.2, 0.0]])


def test_matcher_labels_predictions_by_their_best_quality():
    matches, labels = Matcher([0.3, 0.7], [0, -1, 1])(QUALITY)
    assert matches.tolist() == [0, 1, 1, 0]
    assert labels.tolist() == [1, -1, 0, 0]


def test_low_quality_matches_include_the_best_prediction_of_every_object():
    _, labels = Matcher([0.3, 0.7], [0, -1, 1], allow_low_quality_matches=True)(QUALITY)
    assert labels.tolist() == [1, 1, 0, 0]


def test_object_without_overlap_has_no_low_quality_match():
    _, labels = Matcher([0.3], [0, 1], allow_low_quality_matches=True)(torch.zeros(1, 3))
    assert labels.tolist() == [0, 0, 0]


def test_matcher_without_objects_assigns_the_lowest_label():
    matches, labels = Matcher([0.3, 0.7], [0, -1, 1])(torch.zeros(0, 3))
    assert matches.tolist() == labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize("thresholds", [[], [0.0], [0.7, 0.3]])
def test_rejects_thresholds_that_are_not_ascending(thresholds):
    with pytest.raises(ValueError, match="ascend"):
        Matcher(thresholds, [0, 1])


def test_sampling_fills_up_with_negatives():
    labels = torch.tensor([1, 2, 7, 7, 7, 7, -1])
    positive, negative = subsample_labels(labels, 4, 0.25, bg_label=7)
    assert len(positive) == 1
    assert len(negative) == 3
    assert set(labels[positive].tolist()) <= {1, 2}


def test_sampling_returns_fewer_if_there_are_not_enough_negatives():
    positive, negative = subsample_labels(torch.tensor([1, 1, 1, 0]), 8, 0.5, bg_label=0)
    assert (len(positive), len(negative)) == (3, 1)
