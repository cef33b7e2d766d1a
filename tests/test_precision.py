"""Which precision work runs in, how CPUs without bfloat16 emulate it, and the warning."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unlearn import doctor, precision, training
from unlearn.mixed_precision import Widened, autocast
from unlearn.progress import Silent

CPU = torch.device("cpu")


class Heard(Silent):
    """Keeps what was said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, Any]]] = []

    def log(self, event: str, **facts: Any) -> None:
        self.said.append((event, facts))


@pytest.fixture(autouse=True)
def no_look_at_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor imports it in a process of its own, which takes seconds and is not what is tested here."""
    monkeypatch.setattr(doctor, "PAIR", "")


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


EMULATES, COMPUTES = {"avx2": True}, {"avx512_bf16": True}


def computed(network: nn.Module, images: Tensor, kind: torch.dtype) -> list[Tensor]:
    """Logits, and gradients of images and weights, in float32."""
    images = images.clone().requires_grad_()
    with autocast(CPU, kind):
        logits = network(images)
        loss = F.cross_entropy(logits, torch.arange(len(images)) % 10)
    return [
        logits.detach().float(),
        *(each.float() for each in torch.autograd.grad(loss, [images, *network.parameters()])),
    ]


def distances(found: list[Tensor], expected: list[Tensor]) -> list[float]:
    return [float((one - other).norm() / other.norm()) for one, other in zip(found, expected, strict=True)]


@pytest.mark.parametrize("layer", [nn.Conv2d(8, 16, 3, stride=2, groups=2), nn.Conv2d(8, 4, 1, bias=False)])
def test_an_emulated_layer_gives_what_torch_gives_but_for_the_order_of_sums(
    layer: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, found = torch.rand(4, 8, 9, 9), []
    for capabilities in (COMPUTES, EMULATES):
        pretend(monkeypatch, **capabilities)
        given = images.clone().requires_grad_()
        with autocast(CPU, torch.bfloat16):
            out = layer(given)
        assert out.dtype == torch.bfloat16
        out.float().square().sum().backward()
        assert given.grad is not None
        found.append([out.detach().float(), given.grad])
    # Each is rounded from nearly the same sums, by 2^-9 of a number at most.
    assert max(distances(*found)) < 2**-8


def test_an_emulated_network_is_as_far_from_float32_as_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    network, images = training.build("small_cnn", 10, (3, 16, 16), 0).train(), torch.rand(12, 3, 16, 16)
    exact = computed(network, images, torch.float32)
    pretend(monkeypatch, **COMPUTES)
    torchs = computed(network, images, torch.bfloat16)
    pretend(monkeypatch, **EMULATES)
    ours = computed(network, images, torch.bfloat16)
    for own, theirs in zip(distances(ours, exact), distances(torchs, exact), strict=True):
        assert 0.8 * theirs < own < 1.25 * theirs
    assert all(apart < 0.5 * far for apart, far in zip(distances(ours, torchs), distances(ours, exact), strict=True))


def test_float32_and_cpus_that_compute_in_bfloat16_do_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Widened, "__torch_function__", lambda *_: pytest.fail("called"))
    images, weight = torch.rand(2, 3, 8, 8), torch.rand(4, 3, 3, 3)
    pretend(monkeypatch, **EMULATES)
    with autocast(CPU, torch.float32):
        assert torch.conv2d(images, weight).dtype == torch.float32
    pretend(monkeypatch, **COMPUTES)
    with autocast(CPU, torch.bfloat16):
        assert torch.conv2d(images, weight).dtype == torch.bfloat16


def test_where_mixed_precision_is_off_inside_nothing_is_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, **EMULATES)
    images, weight = torch.rand(5, 7), torch.rand(3, 7)
    with autocast(CPU, torch.bfloat16), torch.autocast("cpu", enabled=False):
        assert torch.equal(F.linear(images, weight), images @ weight.T)
    with autocast(CPU, torch.bfloat16):
        rounded = F.linear(input=images, weight=weight)
    assert torch.equal(rounded, (images.bfloat16().float() @ weight.bfloat16().float().T).bfloat16())
