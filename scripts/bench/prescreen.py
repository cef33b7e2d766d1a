"""The pre-screen's victim beside the victims of audits: seconds and clean accuracy by epoch, on the same images.

    python scripts/bench/prescreen.py --data DIR [--images 5000] [--epochs 6] [--precision float32] [--json FILE]
    python scripts/bench/prescreen.py --quick

Clean images of a recipe, trained on as the audit recipes say, save for the number of epochs and, for the pre-screen,
smaller batches at a rate in proportion. One training each; the first victim is trained twice, to see the noise.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import machine
import torch
from machine import PRECISIONS, Spent

from unlearn import recipe, recipe_check, run, training
from unlearn.datasets import ImageDataset
from unlearn.settings import Training

PLANS = {"prescreen_airbench94": "audits/prescreen", "small_cnn": "audits/small", "resnet18": "audits/standard"}


def settings(victim: str, options: argparse.Namespace) -> Training:
    """The training of the victim's audit recipe, for fewer epochs."""
    found = replace(recipe_check.load_audit(PLANS[victim]).training, epochs=options.epochs)
    if found.batch_size <= 128:
        return found
    share = options.batch_size / found.batch_size
    return replace(found, batch_size=options.batch_size, sgd=replace(found.sgd, lr=found.sgd.lr * share))


def batches(data: ImageDataset) -> training.Batches:
    """The data set as tensors."""
    return training.Batches(*(torch.from_numpy(part) for part in (data.images, data.labels, data.keys)))


def trained(victim: str, train: ImageDataset, test: ImageDataset, options: argparse.Namespace) -> dict[str, Any]:
    """One training, with the accuracy on clean test images after every epoch."""
    spent, seen, unseen = Spent.none(), batches(train), batches(test)
    shape = tuple(train.images.shape[1:])
    forward = machine.gigaflop(training.build(victim, train.classes, shape, 1), shape)
    with spent.phase("training"):
        network = training.build(victim, train.classes, shape, 1)
        training.whiten(network, seen, 1)
        judged = lambda each: training.accuracy(each, unseen.images, unseen.labels)  # noqa: E731
        precision = PRECISIONS[options.precision]
        curve = training.train(network, seen, settings(victim, options), 1, test=judged, precision=precision)
    return {
        "seconds": round(spent.wall["training"], 3),
        "cpu_seconds": round(spent.cpu["training"], 3),
        "training_gflop_an_image": round(3 * forward, 3),
        "clean_test_accuracy": [round(share, 4) for share in curve.test],
        "train_accuracy": [round(share, 4) for share in curve.train],
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All victims in turn."""
    torch.set_num_threads(options.threads)
    changes = [f"data.train_samples={options.images}", f"data.test_samples={options.tests}"]
    chosen = recipe.load(options.recipe, changes + ([f"data.path={options.data}"] if options.data else []))
    train, test = run.open_data(chosen), run.test_data(chosen)
    found: dict[str, Any] = {}
    for victim in options.victims:
        found[victim] = trained(victim, train, test, options)
        print(victim, found[victim], file=sys.stderr, flush=True)  # a long run that is killed leaves what it has
    again = trained(options.victims[0], train, test, options)
    return {"victims": found, "first_again": {name: again[name] for name in ("seconds", "cpu_seconds")}}


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description="The pre-screen's victim beside the victims of audits.")
    parser.add_argument("--recipe", default="cifar10-small", help="whose clean images are trained on")
    parser.add_argument("--data", help="where they are")
    parser.add_argument("--victims", nargs="+", choices=sorted(PLANS), default=list(PLANS))
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch-size", type=int, default=64, help="of the pre-screen")
    parser.add_argument("--precision", choices=sorted(PRECISIONS), default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="few images of the generated set, no ResNet-18")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.quick:
        options.recipe, options.images, options.tests, options.epochs = "demo", 24, 12, 1
        options.victims = ["prescreen_airbench94", "small_cnn"]
    machine.printed(options, measure(options), ("json", "quick", "data"))


if __name__ == "__main__":
    main()
