"""Outputs of DETR and Table Transformer in transformers, for `tests/golden/transformers.json`.

    python tools/goldens/transformers_outputs.py

Needs transformers and timm in addition to the packages of the tests. Weights and image come from
`tests/compat/transformers_models.py`; nothing is downloaded.
"""

import json
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.compat.transformers_models import CONFIGS, PROCESSOR, fill, image  # noqa: E402

MODELS = {
    "detr": transformers.DetrForObjectDetection,
    "table-transformer": transformers.TableTransformerForObjectDetection,
}


def outputs(config: dict) -> dict[str, list]:
    """Return the detections of the model of a config, with all queries, and the names of its parameters."""
    model_class = MODELS[config["model_type"]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "config.json").write_text(json.dumps(config))
        model = model_class(transformers.AutoConfig.from_pretrained(folder)).eval()
        model.save_pretrained(folder)
        state = load_file(path / "model.safetensors")
        save_file(fill(state), path / "model.safetensors", metadata={"format": "pt"})
        model = model_class.from_pretrained(folder, local_files_only=True).eval()
        (path / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
        processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    pixels = processor(images=Image.fromarray(image()), return_tensors="pt")
    with torch.no_grad():
        result = model(**pixels)
    return {
        "size": list(pixels["pixel_values"].shape[-2:]),
        "logits": [[round(x, 5) for x in row] for row in result.logits[0].tolist()],
        "boxes": [[round(x, 6) for x in row] for row in result.pred_boxes[0].tolist()],
        "names": sorted(state) if config["backbone"] == "resnet18" else [],
    }


if __name__ == "__main__":
    content = {name: outputs(config) for name, config in CONFIGS.items()}
    content["versions"] = {"transformers": transformers.__version__, "torch": torch.__version__}
    (ROOT / "tests/golden/transformers.json").write_text(json.dumps(content) + "\n")
