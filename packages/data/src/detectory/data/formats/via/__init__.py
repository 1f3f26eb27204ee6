"""JSON format of the VGG Image Annotator: reader."""
