"""Prints by how many MiB an evaluation of files raises the highest memory of its process above what its imports take.

usage: peak_memory.py detectory|pycocotools ANNOTATIONS RESULTS bbox|segm
"""

import contextlib
import io
import os
import resource
import sys
from pathlib import Path


def resident():
    """MiB that the process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


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
    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"{max(highest - before, 0):.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
