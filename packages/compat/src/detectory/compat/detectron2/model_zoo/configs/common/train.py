"""What the training programs read from `train`."""

from detectory.zoo.parts.training import train_options

train = train_options("")
