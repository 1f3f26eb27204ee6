"""Dataset folders: COCO layout, selection of annotation sources, and format conversion."""
