"""DensePose: dense correspondences between the pixels of people or animals and surface models.

`structures` contains annotations, predictor outputs, results and meshes; `modeling` backbones, heads, predictors and
losses; `converters` results at the size of boxes; `data` datasets and the mapper; `evaluation` metrics.

Sources: Güler, Neverova and Kokkinos, "DensePose: Dense Human Pose Estimation In The Wild", 2018; Neverova, Novotny and
    Vedaldi, "Correlated Uncertainty for Learning Dense Correspondences from Noisy Labels", 2019; Neverova et al.,
    "Continuous Surface Embeddings", 2020.
"""

from . import converters, data, evaluation, modeling, structures

__all__ = ["converters", "data", "evaluation", "modeling", "structures"]
