"""Models on another device than the data, and on devices without float64."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from far_cases import OF_DOUBLES, USES, X, Y

OLD = tuple(map(int, torch.__version__.split(".")[:2])) < (2, 10)
needs_far_device = pytest.mark.skipif(OLD, reason="devices in Python came with torch 2.10")


@pytest.fixture(scope="module")
def on_far_device():
    """What `far_cases.py` prints; in this process, other tests would have the device too."""
    script = Path(__file__).with_name("far_cases.py")
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@needs_far_device
@pytest.mark.parametrize("name", USES)
def test_a_model_elsewhere_takes_data_from_here(on_far_device, name):
    error = on_far_device["errors"]["model"][name]
    assert error is None, error


@needs_far_device
@pytest.mark.parametrize("name", USES)
def test_a_model_here_takes_data_from_elsewhere(on_far_device, name):
    error = on_far_device["errors"]["data"][name]
    assert error is None, error


@needs_far_device
@pytest.mark.parametrize("name", [name for name in USES if name not in OF_DOUBLES])
def test_nothing_needs_float64(on_far_device, name):
    error = on_far_device["errors"]["no float64"][name]
    assert error is None, error


@needs_far_device
def test_the_device_refuses_to_mix_and_float64():
    code = """
import torch
from far_device import FAR, FarDevice, register
register()
with FarDevice(columns=1) as device:
    here, there = torch.ones(3), torch.ones(3, device=FAR)
    print((there + 1).tolist(), there.device, there[torch.tensor([0])].cpu().numpy())
    device.has_float64 = False
    for use in (lambda: here + there, lambda: there.double(), lambda: there.numpy()):
        try:
            use()
        except (RuntimeError, TypeError) as error:
            print(error)
"""
    command = [sys.executable, "-c", code]
    where = Path(__file__).parent
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=where)
    numbers, mixed, double, array = run.stdout.splitlines()
    assert numbers == "[2.0, 2.0, 2.0] far:0 [1.]"
    assert "one device" in mixed
    assert "no float64" in double
    assert "numpy" in array


def test_other_tests_do_not_have_the_device():
    with pytest.raises(RuntimeError, match="far"):
        torch.device("far")


@needs_far_device
def test_data_are_brought_in_blocks(on_far_device):
    count = on_far_device["data"]
    for rows in on_far_device["rows"].values():
        assert 1 < max(rows) < count / 2
        assert sum(rows) >= count


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no other device")
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_model_on_a_gpu_takes_data_from_the_processor(use):
    use(X, Y, lambda module: module.cuda())
