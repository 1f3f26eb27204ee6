"""Class names, colours and category ids of COCO, LVIS, Cityscapes, ADE20K and Pascal VOC."""
