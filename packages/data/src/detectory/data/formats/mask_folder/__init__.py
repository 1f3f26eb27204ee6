"""Folders of images with instance masks, such as Penn-Fudan: reader."""
