"""Command `python -m detectory.export.runtime FILE IMAGE…`: predictions as JSON lines."""

import argparse
import json
import sys

from detectory.export.runtime.model import load


def main(arguments: list[str] | None = None) -> int:
    """Print one JSON object per image and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m detectory.export.runtime",
        description="Run an exported ONNX, OpenVINO or LiteRT file without torch and print one JSON object per image.",
    )
    parser.add_argument("file", help=".onnx file, .xml file of an OpenVINO model, or .tflite file")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--threshold", type=float, default=0.5, help="minimum score of a detection (default: 0.5)")
    parser.add_argument("--threads", type=int, help="number of threads (default: all cores)")
    options = parser.parse_args(arguments)
    try:
        model = load(options.file, options.threads)
    except (OSError, ValueError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    status = 0
    for image in options.images:
        try:
            prediction = model.predict(image, options.threshold)
        except (OSError, ValueError) as error:
            sys.stderr.write(f"{error}\n")
            status = 1
        else:
            sys.stdout.write(json.dumps({"image": image, **prediction.to_json()}) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
