"""Components of Detectron2's research projects."""
