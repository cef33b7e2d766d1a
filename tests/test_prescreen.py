"""The fast victim and the settings it needs; that the usual training is not changed by them; that reports name it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_dataset
from torch.nn import functional as F

from unlearn import augmentation, datasets, networks, recipe, recipe_check, schema, training
from unlearn.audit import run as auditing
from unlearn.audit.plan import AuditPlan
from unlearn.audit.run import Subject
from unlearn.errors import RecipeError
from unlearn.randomness import Draws
from unlearn.settings import SGD, Training

NAME = "prescreen_airbench94"
PLAN = recipe_check.load_audit("audits/prescreen")
FEW = replace(PLAN.training, epochs=2, batch_size=64, sgd=replace(PLAN.training.sgd, lr=0.1))


def batches(data: datasets.ImageDataset) -> training.Batches:
    return training.Batches(*(torch.from_numpy(part) for part in (data.images, data.labels, data.keys)))


def patches(images: torch.Tensor) -> torch.Tensor:
    return F.unfold(images, 2).transpose(1, 2).flatten(0, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_whitened_patches_have_unit_covariance(channels: int) -> None:
    data = batches(make_dataset(60, channels=channels))
    network = training.build(NAME, 3, (channels, 16, 16), 0)
    training.whiten(network, data, 0)
    first = network[0]
    assert isinstance(first, networks.Whitening)
    outputs = first(training.to_float(data.images))
    half = outputs.shape[1] // 2
    seen = outputs.permute(0, 2, 3, 1).reshape(-1, 2 * half).detach().double()
    assert half == patches(training.to_float(data.images)).shape[1]
    assert torch.allclose(seen[:, half:], -seen[:, :half], atol=1e-4)
    assert seen.mean(0).abs().max() < 1e-3
    assert (torch.cov(seen[:, :half].T) - torch.eye(half)).abs().max() < 0.02
    raw = torch.cov(patches(training.to_float(data.images)).T.double())
    assert (raw / raw.trace() * half - torch.eye(half)).abs().max() > 0.1  # white only after the layer


def test_whitening_does_not_depend_on_the_order_of_the_images_and_is_not_trained() -> None:
    data = batches(make_dataset(60))
    back = training.Batches(data.images.flip(0), data.labels.flip(0), data.keys.flip(0))
    one, other = (training.build(NAME, 3, (3, 16, 16), 0) for _ in range(2))
    training.whiten(one, data, 0)
    training.whiten(other, back, 0)
    before = one[0].weight.clone()
    assert torch.equal(before, other[0].weight)
    training.train(one, data, replace(FEW, epochs=1), 0)
    assert torch.equal(one[0].weight, before)
    assert not torch.equal(one[0].bias, other[0].bias)


def learned(train: datasets.ImageDataset, test: datasets.ImageDataset, settings: Training) -> float:
    """Accuracy on the test set after training from seed 1."""
    network, data, unseen = (
        training.build(NAME, train.classes, train.images.shape[1:], 1),
        batches(train),
        batches(test),
    )
    training.whiten(network, data, 1)
    training.train(network, data, settings, 1)
    return training.accuracy(network, unseen.images, unseen.labels)


def test_it_learns() -> None:
    train, test = make_dataset(150), make_dataset(90, seed=1)
    assert learned(train, test, replace(FEW, batch_size=32, augment=())) > 0.9


@pytest.mark.slow
def test_it_learns_the_embedded_set() -> None:
    train, test = datasets.load("embedded", "train"), datasets.load("embedded", "test", test_images=500)
    assert learned(train, test, replace(FEW, epochs=4)) > 0.9


def test_smoothing_is_that_of_cross_entropy() -> None:
    logits, labels = torch.randn(7, 4), torch.arange(7) % 4
    expected = F.cross_entropy(logits, labels, label_smoothing=0.2)
    plain = F.cross_entropy(logits, labels)
    assert torch.allclose(training.smoothed(plain, [logits], 0.2), expected)
    assert training.smoothed(plain, [logits], 0.0) is plain


def test_smoothing_reaches_the_weights() -> None:
    data, states = batches(make_dataset(30)), []
    for share in (0.0, 0.2):
        network = training.build("small_cnn", 3, (3, 16, 16), 0)
        training.train(network, data, Training(epochs=1, batch_size=30, label_smoothing=share), 0)
        states.append(network[0][0].weight.detach())
    assert not torch.equal(*states)


def test_the_triangle_rises_and_falls() -> None:
    settings = Training(schedule="triangular", sgd=SGD(lr=2.0))
    rates = [training.learning_rate(settings, step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.4)
    assert rates[23] == pytest.approx(2.0) == pytest.approx(max(rates))
    assert sorted(rates[:24]) == rates[:24]
    assert sorted(rates[23:], reverse=True) == rates[23:]
    assert 0.14 < rates[-1] < 0.17


def test_flips_alternate_and_do_not_depend_on_the_batch() -> None:
    images, keys = torch.rand(16, 3, 8, 8), torch.arange(16)
    settings = Training(augment=("alternating_flip",))
    first, second, third = (augmentation.standard_augmentation(images, Draws(0, e, keys), settings) for e in range(3))
    flipped = torch.tensor([not torch.equal(a, b) for a, b in zip(images, first, strict=True)])
    assert 0 < flipped.sum() < 16
    assert torch.equal(second, first.flip(3))
    assert torch.equal(third, first)
    part = augmentation.standard_augmentation(images[3:5], Draws(0, 0, keys[3:5]), settings)
    assert torch.equal(part, first[3:5])


def test_shifts_mirror_the_border() -> None:
    images, draws = torch.rand(40, 3, 8, 8) + 1, Draws(0, 0, torch.arange(40))
    shifted = augmentation.standard_augmentation(images, draws, Training(augment=("translate",), crop_padding=2))
    padded = F.pad(images, (2, 2, 2, 2), "reflect")
    for image, cut in zip(padded, shifted, strict=True):
        windows = image.unfold(1, 8, 1).unfold(2, 8, 1).permute(1, 2, 0, 3, 4).flatten(0, 1)
        assert (windows == cut).flatten(1).all(1).any()
    assert shifted.min() >= 1  # no zeros came in


def test_biases_of_normalization_learn_faster() -> None:
    network = training.build(NAME, 3, (3, 16, 16), 0)
    others, biases = training._optimizer(network, FEW).param_groups
    assert len(biases["params"]) == 6
    assert biases["factor"] == 64
    assert biases["weight_decay"] == pytest.approx(others["weight_decay"] / 64)
    assert len(others["params"]) + 6 == len(list(network.parameters()))
    assert all(group["nesterov"] for group in (others, biases))


def test_mirrored_tests_add_the_logits_of_both() -> None:
    network = training.build("small_cnn", 3, (3, 16, 16), 0)
    images = torch.from_numpy(make_dataset(40).images)
    both = network.eval()(training.to_float(images)) + network(training.to_float(images.flip(3)))
    assert torch.equal(training.predictions(network, images, mirror=True), both.argmax(1))


def test_usual_settings_are_written_as_before() -> None:
    """Recipes and finished cells are known by the hash of what is written here."""
    assert list(schema.plain(Training())) == ["epochs", "batch_size", "sgd", "schedule", "augment", "crop_padding"]
    assert schema.plain(Training(nesterov=True))["nesterov"] is True
    assert schema.check(Training, schema.plain(FEW)) == (FEW, [])
    assert recipe.load("demo").hash == "ac7577679e7bf20e"
    assert recipe.load("sep").hash == "85f54f0c20bdf116"


def test_usual_training_gives_the_same_bytes_as_before() -> None:
    """Those of the loop as it was before there was any of this."""
    data = batches(make_dataset(50))
    ours, reference = (training.build("small_cnn", 3, (3, 16, 16), 0) for _ in range(2))
    settings = Training(epochs=2, batch_size=16)
    training.train(ours, data, settings, 3)
    by_hand(reference, data, settings, 3)
    for mine, theirs in zip(ours.state_dict().values(), reference.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def by_hand(network: torch.nn.Module, data: training.Batches, settings: Training, seed: int) -> None:
    """One group, cosine, crop over a border of zeros, flip, plain cross-entropy, clipping."""
    optim = torch.optim.SGD(network.parameters(), 0.1, 0.9, weight_decay=5e-4)
    for epoch in range(settings.epochs):
        order = training.epoch_batches(data.keys, settings.batch_size, seed, epoch)
        for number, index in enumerate(order):
            optim.param_groups[0]["lr"] = training.learning_rate(settings, epoch * 4 + number, settings.epochs * 4)
            draws = Draws(seed, epoch, data.keys[index])
            images = augmentation.random_crop(training.to_float(data.images[index]), draws, 4)
            flips = draws.uniform("flip") < 0.5
            images = torch.where(flips[:, None, None, None], images.flip(3), images)
            network.train()
            training.update(network, optim, F.cross_entropy(network(images), data.labels[index]), 5.0)


def test_the_plan_and_every_report_say_what_it_is(tmp_path: Path) -> None:
    train, test = make_dataset(60), make_dataset(60, seed=1)
    noisy = (train.images.astype(int) + 8).clip(0, 255).astype(np.uint8)
    subject = Subject(train, {"protected": noisy}, test, 8 / 255, {"name": "made"})
    plan = replace(PLAN, seeds=1, training=replace(FEW, mirror_test=True))
    auditing.audit(subject, plan, tmp_path)
    results = auditing.finish(subject, plan, tmp_path)
    assert len(results["rows"]) == 3
    for name in ("report.md", "report.html", "results.json"):
        assert "Pre-screen, not a verdict" in (tmp_path / name).read_text(), name
        assert "tested on mirrored images too" in (tmp_path / name).read_text(), name
    assert NAME in (tmp_path / "results.csv").read_text()
    assert "prescreen" not in auditing.collect(subject, AuditPlan(), results["rows"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ("victims: [prescreen_airbench94, resnet18]", "needs a plan of its own"),
        ("victims: [prescreen_airbench94]\nweights: some.safetensors", "it starts anew"),
        ("victims: [resnet18]\ntraining: {mirror_test: true}", "is for pre-screens"),
    ],
)
def test_a_prescreen_stays_apart_from_verdicts(changes: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(changes)
    with pytest.raises(RecipeError, match=words):
        recipe_check.load_audit(str(tmp_path / "plan.yaml"))


def test_it_is_no_surrogate() -> None:
    with pytest.raises(RecipeError, match="is for pre-screens only"):
        recipe.load("demo", [f"surrogate.network={NAME}"])
