"""Energy: counters as Linux shows them, made of files; never a guess."""

from pathlib import Path

import pytest
import torch

from seq2seq.system import energy
from seq2seq.system.energy import Counter, Meter, counters

CPU = torch.device("cpu")


@pytest.fixture
def zones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two packages, a part of one, and the whole system again."""
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    for name, kind in {"0": "package-0", "1": "package-1", "0:0": "dram", "2": "psys"}.items():
        zone = tmp_path / f"intel-rapl:{name}"
        zone.mkdir()
        (zone / "name").write_text(f"{kind}\n")
        (zone / "max_energy_range_uj").write_text("10000000\n")
        (zone / "energy_uj").write_text("1000000\n")
    return tmp_path


def show(zones: Path, name: str, microjoules: int) -> None:
    (zones / f"intel-rapl:{name}" / "energy_uj").write_text(f"{microjoules}\n")


def test_packages_are_summed_and_nothing_twice(zones: Path) -> None:
    meter = Meter(counters(CPU), before=100.0)
    assert meter.read() == 100.0
    show(zones, "0", 3_000_000)
    show(zones, "1", 1_500_000)
    show(zones, "0:0", 9_000_000)
    show(zones, "2", 9_000_000)
    assert meter.read() == pytest.approx(102.5)
    assert meter.read() == pytest.approx(102.5)


def test_a_counter_that_came_round_is_understood(zones: Path) -> None:
    meter = Meter(counters(CPU))
    show(zones, "0", 9_000_000)
    meter.read()
    show(zones, "0", 500_000)
    assert meter.read() == pytest.approx(8 + 1.5)


def test_without_counters_nothing_is_known(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    assert counters(CPU) == []
    assert Meter([], before=5.0).read() is None


def test_a_counter_that_cannot_be_read_makes_all_unknown(zones: Path) -> None:
    (zones / "intel-rapl:1" / "energy_uj").unlink()
    assert counters(CPU) == []


def test_a_counter_that_goes_away_leaves_nothing_known(zones: Path) -> None:
    meter = Meter(counters(CPU))
    (zones / "intel-rapl:1" / "energy_uj").unlink()
    assert meter.read() is None
    show(zones, "1", 2_000_000)
    assert meter.read() is None


def test_what_was_unknown_before_stays_unknown() -> None:
    assert Meter([Counter(lambda: 3.0, None)], before=None).read() is None


def test_a_gpu_without_a_counter_leaves_nothing_known(zones: Path, monkeypatch) -> None:
    monkeypatch.setattr(energy, "nvml", lambda devices: [])
    assert counters(torch.device("cuda")) == []


def test_no_library_of_nvidia_is_no_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(energy.ctypes, "CDLL", missing)
    assert energy.nvml(1) == []
