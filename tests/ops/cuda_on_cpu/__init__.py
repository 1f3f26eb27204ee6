"""The CUDA kernels compiled for the CPU, so that they are tested without a GPU."""
