"""Cores and instruction sets: quotas of control groups, thread limits, caps by environment variables."""

import os
from pathlib import Path

import pytest
import torch

from detectory.core import processor


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def quota(tmp_path: Path, membership: str, files: dict[str, str]) -> float | None:
    write(tmp_path / "self_cgroup", membership)
    for name, text in files.items():
        write(tmp_path / "cgroup" / name, text)
    return processor.cpu_quota(tmp_path / "cgroup", tmp_path / "self_cgroup")


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n"}, 1.0),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 1.5),
        ("0::/not/visible\n", {"cpu.max": "50000 100000"}, 0.5),
        (
            "4:cpu,cpuacct:/job\n",
            {"cpu,cpuacct/job/cpu.cfs_quota_us": "200000", "cpu,cpuacct/job/cpu.cfs_period_us": "100000"},
            2.0,
        ),
        ("4:cpu,cpuacct:/job\n", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("3:memory:/job\n", {}, None),
    ],
    ids=["v2", "v2 unlimited", "v2 limit of a parent", "v2 in a container", "v1", "v1 unlimited", "no cpu controller"],
)
def test_quota_is_read_from_both_versions_of_control_groups(tmp_path, membership, files, expected):
    assert quota(tmp_path, membership, files) == expected


def test_a_machine_without_control_groups_has_no_quota(tmp_path):
    assert processor.cpu_quota(tmp_path, tmp_path / "missing") is None


def simulate_quota(monkeypatch, tmp_path: Path, cores: float) -> None:
    quota(tmp_path, "0::/\n", {"cpu.max": f"{int(cores * 100000)} 100000"})
    monkeypatch.setattr(processor, "_CGROUP_ROOT", tmp_path / "cgroup")
    monkeypatch.setattr(processor, "_CGROUP_MEMBERSHIP", tmp_path / "self_cgroup")


@pytest.mark.parametrize(("cores", "expected"), [(0.25, 1), (1, 1), (1.5, 2)])
def test_granted_cores_round_a_quota_up(monkeypatch, tmp_path, cores, expected):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    simulate_quota(monkeypatch, tmp_path, cores)
    assert processor.granted_cores() == expected


def test_the_affinity_mask_limits_granted_cores(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3}, raising=False)
    simulate_quota(monkeypatch, tmp_path, 2)
    assert processor.granted_cores() == 1


def test_a_quota_of_one_leaves_torch_one_thread(monkeypatch, tmp_path, threads):
    simulate_quota(monkeypatch, tmp_path, 1)
    torch.set_num_threads(os.cpu_count())
    processor.limit_threads(environment={})
    assert torch.get_num_threads() == 1


def test_processes_share_the_granted_cores(monkeypatch, threads):
    monkeypatch.setattr(processor, "granted_cores", lambda: 2)
    monkeypatch.setattr(processor, "_default_thread_counts", lambda: {2})
    torch.set_num_threads(2)
    processor.limit_threads(processes=2, environment={})
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("variable", processor.THREAD_VARIABLES)
def test_the_users_environment_wins(monkeypatch, threads, variable):
    monkeypatch.setattr(processor, "granted_cores", lambda: 1)
    torch.set_num_threads(2)
    processor.limit_threads(environment={variable: "2"})
    assert torch.get_num_threads() == 2


def test_a_number_set_in_python_wins(monkeypatch, threads):
    monkeypatch.setattr(processor, "granted_cores", lambda: 1)
    monkeypatch.setattr(processor, "_default_thread_counts", lambda: {64, 32})
    torch.set_num_threads(3)
    processor.limit_threads(environment={})
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("cap", "avx512", "bfloat16"),
    [("AVX2", False, False), ("avx2_vnni", False, False), ("AVX512_CORE", True, False), ("DEFAULT", True, True)],
)
def test_a_cap_of_the_instruction_set_counts(monkeypatch, cap, avx512, bfloat16):
    monkeypatch.setattr(processor.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(torch.cpu, "_is_avx512_supported", lambda: True)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: True)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", cap)
    assert processor.has_avx512() == avx512
    assert processor.has_avx2_only() == (not avx512)
    assert processor.has_bfloat16_arithmetic() == bfloat16
    assert processor.instruction_set().startswith("AVX-512" if avx512 else "AVX2")
