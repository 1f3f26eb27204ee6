"""Print the increase of peak memory in MiB during the evaluation of files, without the imports.

usage: python -m benchmarks.evaluation.peak_memory detectory|pycocotools ANNOTATIONS RESULTS bbox|segm
"""

import contextlib
import io
import sys

from benchmarks.memory import resident


def main(implementation, ground_truth, results, iou_type):
    if implementation == "detectory":
        from detectory.evaluation import evaluate_coco_results

        before = resident()
        evaluate_coco_results(ground_truth, results, iou_type)
    else:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        before = resident()
        with contextlib.redirect_stdout(io.StringIO()):
            index = COCO(ground_truth)
            run = COCOeval(index, index.loadRes(results), iou_type)
            run.evaluate()
            run.accumulate()
            run.summarize()
    print(f"{(resident('VmHWM') - before) / 2**20:.1f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
