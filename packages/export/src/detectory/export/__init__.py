"""Exports models to ONNX, torch.export and friends, and verifies the result against eager."""
