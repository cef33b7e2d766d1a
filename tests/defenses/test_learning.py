"""Defenses that choose how a victim is trained: early stopping, self-supervised pretraining, probes, chains."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from defenses import planted

from unlearn import training
from unlearn.audit import cells as grid
from unlearn.audit.cells import Cell
from unlearn.audit.run import _path
from unlearn.defenses import Defense, Job
from unlearn.defenses._field import named
from unlearn.defenses.early_stopping import EarlyStopping
from unlearn.defenses.none import NoDefense
from unlearn.defenses.simclr import SimCLR, contrastive
from unlearn.errors import DataError


def job(defense: Defense, train_on: str = "clean", epochs: int = 4) -> tuple[torch.nn.Module, Job]:
    bench = planted.bench(planted.patches, epochs=epochs)
    victim, made, *_ = grid._prepared(Cell(train_on, defense, "small_cnn", 0), bench, lambda epoch: None)
    return victim, made


def test_early_stopping_leaves_the_victim_at_the_best_epoch() -> None:
    """With accuracies that fall, it is the first; the curve ends there and the weights are those of that epoch."""
    defense = EarlyStopping(share=0.25)
    victim, made = job(defense, epochs=6)
    seen: list[float] = []
    held, kept = defense._split(made)
    clean = made.leaked(held)[0]

    def watch(epoch: int) -> None:
        seen.append(training.accuracy(victim, clean, made.data.labels[held]))

    curve = defense.learn(victim, replace(made, after_epoch=watch))
    best = seen.index(max(seen))
    assert len(curve.test) == len(curve.train) == best + 1
    assert training.accuracy(victim, clean, made.data.labels[held]) == max(seen)
    assert made.test(victim) == curve.test[-1]
    assert len(held) == 30
    assert not set(held.tolist()) & set(kept.tolist())


def test_early_stopping_by_protected_images_presumes_nothing() -> None:
    assert EarlyStopping(clean=False).presumes == ""
    assert "clean originals of 5% of the training set" in EarlyStopping().presumes
    victim, made = job(EarlyStopping(clean=False), "protected", epochs=2)

    def never(positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        raise AssertionError("looked at leaked images")

    EarlyStopping(clean=False).learn(victim, replace(made, leaked=never))


def test_contrastive_loss_prefers_views_that_agree() -> None:
    first = torch.eye(4)
    together = contrastive(torch.cat([first, first]), 0.5)
    apart = contrastive(torch.cat([first, first.roll(1, 0)]), 0.5)
    assert float(together) < float(apart)
    expected = -torch.log(torch.e**2 / (torch.e**2 + torch.tensor(6.0)))
    assert float(together) == pytest.approx(float(expected), abs=1e-5)


def test_simclr_pretrains_the_encoder_and_a_probe_learns_the_classes() -> None:
    defense = SimCLR(epochs=6, batch_size=60)
    victim, made = job(defense)
    before = victim[0][0].weight.clone()
    curve = defense.learn(victim, made)
    assert curve.test == (made.test(victim),)
    assert curve.test[-1] > 0.9
    assert not torch.equal(victim[0][0].weight, before)


def test_simclr_views_are_alike_and_not_the_same() -> None:
    from unlearn.randomness import Draws

    images = torch.rand(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    first, second = (SimCLR().view(images, Draws(0, 0, torch.arange(8)), side) for side in "ab")
    assert first.shape == images.shape
    assert 0 <= float(first.min()) <= float(first.max()) <= 1 + 1e-6
    assert not torch.allclose(first, second)


def test_linear_probe_leaves_the_encoder_alone() -> None:
    defense = named("linear_probe")
    victim, made = job(defense)
    before = {name: value.clone() for name, value in victim.state_dict().items()}
    curve = defense.learn(victim, made)
    changed = {name for name, value in victim.state_dict().items() if not torch.equal(value, before[name])}
    assert len({name.rpartition(".")[0] for name in changed}) == 1
    assert curve.test[-1] > 0.8
    assert curve.train[-1] > 0.9


def test_a_network_without_a_head_is_refused() -> None:
    from unlearn.defenses import _probing

    with pytest.raises(DataError, match="has no linear layer"):
        _probing.head(torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1)))


def test_a_chain_applies_its_members_in_order() -> None:
    chain = named({"name": "chain", "defenses": ["grayscale", {"name": "bit_depth", "bits": 1}]})
    pixels = torch.randint(0, 256, (3, 3, 16, 16), dtype=torch.uint8)
    by_hand = named({"name": "bit_depth", "bits": 1}).purify(named("grayscale").purify(pixels))
    assert torch.equal(chain.purify(pixels), by_hand)


def test_a_chain_fits_each_member_to_what_those_before_it_leave() -> None:
    seen: list[torch.Tensor] = []

    class Watches(Defense):
        def fit(self, scene: object) -> Defense:
            seen.extend([scene.found.images, *scene.leaked(torch.tensor([0, 1]))])  # type: ignore[attr-defined]
            return self

    from unlearn.defenses.chain import Chain

    bench = planted.bench(planted.patches)
    scene = grid._scene(Cell("protected", NoDefense(), "small_cnn", 0), bench)
    gray = named("grayscale")
    Chain((gray, Watches())).fit(scene)
    clean, protected = scene.leaked(torch.tensor([0, 1]))
    expected = (scene.found.images, clean, protected)
    assert all(torch.equal(a, gray.purify(b)) for a, b in zip(seen, expected, strict=True))


def test_a_chain_trains_by_its_members_hooks() -> None:
    """Early stopping by gray validation images, with a mixture's loss: chroma no longer protects."""
    members = [{"name": "early_stopping", "share": 0.25}, "grayscale", "mixup"]
    chain = named({"name": "chain", "defenses": members})
    assert chain.presumes == "clean originals of 25% of the training set"
    assert chain.label == "early_stopping-clean+grayscale+mixup"
    assert planted.reached(chain, planted.chroma) > 0.75


def test_pairs_are_of_the_protection_in_question_for_every_set() -> None:
    """Sets and controls: clean cells get the pairs of the protected set, and a purifier is the same for both."""
    bench = planted.bench(planted.patches)
    index = torch.tensor([3, 5])
    pairs = [grid._scene(Cell(name, NoDefense(), "small_cnn", 0), bench).leaked(index) for name in bench.sets]
    for clean, protected in pairs:
        assert torch.equal(clean, torch.from_numpy(bench.clean.images[[3, 5]]))
        assert torch.equal(protected, torch.from_numpy(bench.sets["protected"][[3, 5]]))


def test_a_kept_result_of_a_control_follows_the_pairs(tmp_path: Path) -> None:
    """The clean cell of a purifier depends on the protected set; that of JPEG doesn't."""
    bench = planted.bench(planted.patches)
    names = []
    for protected in "ab":
        digests = {"clean": "c", "protected": protected}
        cells = [Cell("clean", named(name), "small_cnn", 0) for name in ("purifier", "jpeg")]
        names.append([_path(tmp_path, cell, bench, digests) for cell in cells])
    assert names[0][0] != names[1][0]
    assert names[0][1] == names[1][1]


def test_rows_say_what_a_defense_presumes() -> None:
    bench = planted.bench(planted.patches, epochs=1)
    settings = {"name": "purifier", "pairs": 5, "width": 0, "steps": 2}
    rows = [grid.run(Cell("clean", named(d), "small_cnn", 0), bench, lambda e: None) for d in (settings, "none")]
    assert rows[0]["presumes"] == "5 leaked pairs of clean and protected images"
    assert "presumes" not in rows[1]


def test_weights_of_a_defense_are_part_of_a_kept_result(tmp_path: Path) -> None:
    """By their contents, as another file may come to lie at the same place."""
    weights, kept = tmp_path / "unet.safetensors", []
    for content in (b"one", b"two"):
        weights.write_bytes(content)
        inner = {"name": "diffusion", "weights": str(weights)}
        chain = named({"name": "chain", "defenses": ["grayscale", inner]})
        kept.append(grid.settings(Cell("clean", chain, "small_cnn", 0), planted.bench(planted.patches).plan))
    assert kept[0]["files"] != kept[1]["files"]
