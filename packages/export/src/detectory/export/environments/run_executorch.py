"""Runs an ExecuTorch program in an environment without Detectory: arrays from and to pipes, see `Worker`.

python run_executorch.py FILE
"""

import io
import os
import sys

import numpy as np
import torch


def main(path: str) -> None:
    """Send a message without arrays when ready, then answer each message with the outputs of the program."""
    from executorch.runtime import Runtime

    results = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # messages of the runtime
    with open(path, "rb") as file:
        content = file.read()
    # The method points into the program, and the program into the bytes.
    program = Runtime.get().load_program(content)
    method = program.load_method("forward")
    outputs: list[torch.Tensor] = []
    while True:
        answer = io.BytesIO()
        np.savez(answer, *(output.numpy() for output in outputs))
        results.write(len(answer.getvalue()).to_bytes(8, "little") + answer.getvalue())
        results.flush()
        header = sys.stdin.buffer.read(8)
        if len(header) < 8:
            return
        arrays = np.load(io.BytesIO(sys.stdin.buffer.read(int.from_bytes(header, "little"))))
        outputs = list(method.execute([torch.from_numpy(arrays[name]) for name in arrays.files]))


if __name__ == "__main__":
    main(sys.argv[1])
