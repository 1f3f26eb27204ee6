"""The zoo's small recipes for a registered dataset, at a shorter side of 192 pixels; two CPU cores can train them."""

from detectory import zoo

SHORT_EDGE, MAX_SIZE, CHANNELS = 192, 320, 64


def small_recipe(name, iterations, dataset):
    """Return a small recipe of the zoo without random flips, on the CPU."""
    config = zoo.get_config(name)
    for loader in (config.dataloader.train, config.dataloader.test):
        loader.mapper.augmentations = loader.mapper.augmentations[:1]
        loader.mapper.augmentations[0].short_edge_length = SHORT_EDGE
        loader.mapper.augmentations[0].max_size = MAX_SIZE
        loader.dataset.names = dataset
        loader.num_workers = 0
    config.train.init_checkpoint = ""
    config.train.max_iter = iterations
    config.train.device = "cpu"
    config.train.log_period = 10
    config.train.eval_period = 0
    config.train.seed = 1
    return config


def mask_rcnn(iterations, name):
    """Return a Mask R-CNN."""
    return small_recipe("COCO-InstanceSegmentation/mask_rcnn_R_18_FPN_small", iterations, name)


def keypoint_rcnn(iterations, name):
    """Return a Keypoint R-CNN."""
    return small_recipe("COCO-Keypoints/keypoint_rcnn_R_18_FPN_small", iterations, name)


def retinanet(iterations, name):
    """Return a RetinaNet."""
    return small_recipe("COCO-Detection/retinanet_R_18_FPN_small", iterations, name)


def panoptic_fpn(iterations, name):
    """Return a Panoptic FPN with a smaller minimum stuff area, to match the low resolution."""
    config = mask_rcnn(iterations, name)
    full = zoo.get_config("COCO-PanopticSegmentation/panoptic_fpn_R_50_1x.py")
    config.model._target_ = full.model._target_
    config.model.sem_seg_head = full.model.sem_seg_head
    config.model.sem_seg_head.conv_dims = CHANNELS
    config.model.combine_stuff_area_thresh = 1024
    config.dataloader.train.dataset.filter_empty = False
    config.dataloader.evaluator = full.dataloader.evaluator
    return config
