"""Which precision work runs in, and the warning where a CPU only emulates it."""

from typing import Any

import pytest
import torch

from unlearn import doctor, precision
from unlearn.progress import Silent

CPU = torch.device("cpu")


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def log(self, event: str, **facts: Any) -> None:
        self.said.append((event, facts))


def pretend(monkeypatch: pytest.MonkeyPatch, **capabilities: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)


@pytest.mark.parametrize(
    ("wanted", "device", "chosen"),
    [
        ("auto", "cpu", torch.float32),
        ("auto", "cuda", torch.bfloat16),
        ("float32", "cuda", torch.float32),
        ("bfloat16", "cpu", torch.bfloat16),
    ],
)
def test_chosen(wanted: str, device: str, chosen: torch.dtype) -> None:
    assert precision.chosen(torch.device(device), wanted, Silent()) is chosen


def test_emulated_bfloat16_is_told_once_and_only_where_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, avx2=True, avx512_bf16=False, amx_bf16=False)
    heard = Heard()
    precision.chosen(CPU, "auto", heard)
    precision.chosen(CPU, "float32", heard)
    precision.chosen(torch.device("cuda"), "bfloat16", heard)
    assert not heard.said
    precision.chosen(CPU, "bfloat16", heard)
    assert heard.said == [("slow", {"reason": precision.EMULATED})]
    assert precision.EMULATED in doctor.text(doctor.examine())


@pytest.mark.parametrize("capabilities", [{"avx512_bf16": True}, {"amx_bf16": True}, {"bf16": True}, {}])
def test_nothing_is_said_where_bfloat16_is_computed_or_torch_cannot_tell(
    capabilities: dict[str, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, **capabilities)
    heard = Heard()
    precision.chosen(CPU, "bfloat16", heard)
    assert not heard.said
    assert precision.EMULATED not in doctor.text(doctor.examine())


@pytest.mark.parametrize(("half", "said"), [(1.0, []), (1.1, []), (1.9, [precision.SLOWER])])
def test_the_doctor_tells_where_computed_bfloat16_is_slower(
    half: float, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, avx512_bf16=True)
    monkeypatch.setattr(precision, "seconds", lambda kind: half if kind == torch.bfloat16 else 1.0)
    assert doctor.examine()["slow"] == said


def test_products_take_time() -> None:
    assert 0 < precision.seconds(torch.float32, 16) < precision.seconds(torch.float32, 512)
