"""Prints by how many MiB an evaluation of files raises the highest memory of its process above what its imports take.

usage: peak_memory.py detectory|pycocotools ANNOTATIONS RESULTS bbox|segm
"""

import contextlib
import io
import sys
from pathlib import Path


def resident(field="VmRSS"):
    """MiB that the process holds now, or with "VmHWM" held at most, as Linux tells them.

    `getrusage` tells the highest memory of the process that started this one where that is more.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field)) / 2**10


def main(implementation, truth, results, iou_type):
    if implementation == "detectory":
        from detectory.evaluation import evaluate_coco_results

        before = resident()
        evaluate_coco_results(truth, results, iou_type)
    else:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        before = resident()
        with contextlib.redirect_stdout(io.StringIO()):
            index = COCO(truth)
            run = COCOeval(index, index.loadRes(results), iou_type)
            run.evaluate()
            run.accumulate()
            run.summarize()
    print(f"{resident('VmHWM') - before:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
