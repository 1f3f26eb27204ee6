"""Geodesic point similarity and average precision on a surface of 24 charts with known distances."""

import pickle

import numpy as np
import pytest
import scipy.io

from detectory.projects.densepose.evaluation import ChartSurface, Detection, MeshSurfaces, geodesic_point_similarity
from detectory.projects.densepose.evaluation.metrics import ImageSimilarity, average_metrics


@pytest.fixture(scope="module")
def charts(tmp_path_factory):
    """Return charts with two vertices each; neighbours on a line of 48 points are 0.1 apart."""
    folder = tmp_path_factory.mktemp("surface")
    vertex = np.arange(48)
    tables = {"U_subdiv": (vertex % 2) * 1.0, "V_subdiv": np.zeros(48), "Part_ID_subdiv": 1 + vertex // 2}
    scipy.io.savemat(folder / "SMPL_subdiv.mat", tables)
    scipy.io.savemat(folder / "SMPL_SUBDIV_TRANSFORM.mat", {"index": 1.0 + vertex})
    rows, columns = np.tril_indices(48, -1)
    distances = (0.1 * (rows - columns)).astype(np.float32)[:, None]
    (folder / "Pdist_matrix.pkl").write_bytes(pickle.dumps({"Pdist_matrix": distances}))
    return ChartSurface(str(folder))


def detection(label=1, u=0):
    labels = np.full((10, 10), label, np.uint8)
    return Detection((0.0, 0.0, 10.0, 10.0), 0.9, 1, labels, np.full((2, 10, 10), u, np.uint8))


def annotation(chart=1, u=0.0, x=128.0):
    return {"bbox": [0, 0, 10, 10], "dp_x": [x], "dp_y": [128.0], "dp_I": [chart], "dp_U": [u], "dp_V": [0.0]}


def test_similarity_decreases_with_the_geodesic_distance(charts):
    def similarity(found, expected):
        return geodesic_point_similarity(found, expected, charts, MeshSurfaces(charts))

    assert similarity(detection(), annotation()) == 1.0
    assert similarity(detection(u=255), annotation()) == pytest.approx(np.exp(-(0.1**2) / (2 * 0.351**2)))
    assert similarity(detection(label=0), annotation()) == 0.0
    assert similarity(detection(), {**annotation(), "bbox": [20, 0, 10, 10]}) == 0.0


def image(gps, masks=1.0, ignored=(False,), area=5000.0):
    shape = (1, len(ignored))
    return ImageSimilarity(
        gps=np.full(shape, gps),
        masks=np.full(shape, masks),
        boxes=np.full(shape, 0.9),
        scores=np.array([0.9]),
        areas=np.array([area]),
        gt_areas=np.full(len(ignored), area),
        gt_ignored=np.array(ignored),
        gt_crowd=np.zeros(len(ignored), bool),
    )


def test_average_precision_counts_the_thresholds_below_the_similarity():
    metrics = average_metrics([[image(0.72)]], "gps")
    assert metrics["AP50"] == pytest.approx(100.0)
    assert metrics["AP75"] == 0.0
    assert metrics["AP"] == pytest.approx(50.0)
    assert np.isnan(metrics["APl"])
    assert list(average_metrics([[image(0.72)]], "gps", 0.2))[:4] == ["AP", "AP20", "AP30", "AP40"]


def test_gpsm_is_the_geometric_mean_with_the_mask_overlap():
    assert average_metrics([[image(0.8, masks=0.45)]], "gpsm")["AR"] == pytest.approx(30.0)


def test_detections_of_people_without_annotation_do_not_count():
    wrong = [image(0.9), image(0.0)]
    unlabelled = [image(0.9), image(0.0, ignored=(True,))]
    assert average_metrics([wrong], "gps")["AP50"] < average_metrics([unlabelled], "gps")["AP50"]
    assert average_metrics([unlabelled], "gps")["AP50"] == pytest.approx(100.0)


def test_missing_tables_are_named():
    with pytest.raises(FileNotFoundError, match=r"/nonexistent/SMPL_subdiv.mat not found. GPS requires"):
        _ = ChartSurface("/nonexistent").charts
