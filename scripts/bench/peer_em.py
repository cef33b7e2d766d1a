"""The public code of EM (HanxunH/Unlearnable-Examples), run unchanged in its algorithm for a comparison.

Its own loops `sample_wise_perturbation` and `universal_perturbation`, its PerturbationTool, its trainer, its data
loader and its ResNet-18 are imported from a folder outside of this repository, which holds a work tree of it. It needs
mlconfig 0.0.4, pandas, scikit-learn and tqdm. What is mended or added is in `_mend`, and nothing else:
the images come from memory in place of a download, `accuracy` views a tensor that today's torch has to copy, and the
loop, which has no cap, is told that the error is zero after a number of rounds. Progress bars are off.
"""

import contextlib
import importlib
import io
import logging
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from machine import Spent, now
from torch import Tensor, nn
from torchvision import datasets

from unlearn.datasets import ImageDataset


def load(folder: Path, data: ImageDataset, batch_size: int, loader_workers: int) -> Any:
    """The peer's perturbation module, fed with these images."""
    logging.disable(logging.INFO)
    sys.path.insert(0, str(folder))
    settings = ["--config_path", str(folder / "configs" / "cifar10"), "--exp_name", tempfile.mkdtemp(prefix="peer-")]
    settings += ["--train_batch_size", str(batch_size), "--eval_batch_size", str(batch_size)]
    settings += ["--num_of_workers", str(loader_workers), "--universal_train_target", "train_dataset"]
    before, sys.argv = sys.argv, ["perturbation.py", *settings]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            module = importlib.import_module("perturbation")
    finally:
        sys.argv = before
    _mend(module, data)
    return module


def _mend(module: Any, data: ImageDataset) -> None:
    class FromMemory(datasets.CIFAR10):
        """CIFAR-10's class with images from memory; reading an item stays torchvision's."""

        def __init__(self, root: str, train: bool, download: bool, transform: Any):
            self.transform, self.target_transform = transform, None
            self.data, self.targets = np.ascontiguousarray(data.images.transpose(0, 2, 3, 1)), data.labels.tolist()

    def accuracy(output: Tensor, target: Tensor, topk: tuple[int, ...] = (1,)) -> list[Tensor]:
        correct = output.topk(max(topk), 1).indices.t().eq(target.view(1, -1))
        return [correct[:k].reshape(-1).float().sum(0).mul_(1 / target.size(0)) for k in topk]

    module.tqdm = lambda batches, total=None: batches
    module.dataset.datasets = SimpleNamespace(**{**vars(datasets), "CIFAR10": FromMemory})
    module.util.accuracy = accuracy


def craft(module: Any, network: nn.Module, rows: str, rounds: int, train_steps: int, pgd: Any, sgd: Any) -> Any:
    """The peer's noise after so many rounds, and what each of its phases took: a tensor, and Spent."""
    module.args.train_step = train_steps
    spent = Spent.none()
    sample_wise = rows == "sample-wise"
    shape = (len(_labels(module)), 3, 32, 32) if sample_wise else (10, 3, 32, 32)
    config = SimpleNamespace(grad_clip=sgd.clip, log_frequency=10**9)
    optim = torch.optim.SGD(network.parameters(), sgd.lr, sgd.momentum, weight_decay=sgd.weight_decay)
    tool = module.toolbox.PerturbationTool(epsilon=8 / 255, num_steps=pgd.steps, step_size=pgd.step_size)
    loop = module.sample_wise_perturbation if sample_wise else module.universal_perturbation
    judge = "samplewise_perturbation_eval" if sample_wise else "universal_perturbation_eval"
    with contextlib.redirect_stdout(io.StringIO()), spent.phase("total"):
        trainer = module.Trainer(torch.nn.CrossEntropyLoss(), None, module.logger, config)
        with _watched(module, trainer, judge, rounds, spent):
            noise = loop(tool, trainer, None, network, trainer.criterion, optim, None, torch.zeros(*shape), {})
    return noise, spent


def resnet18() -> nn.Module:
    """The public code's own ResNet-18 with 10 classes; its folder is on the path after `load`."""
    network: nn.Module = importlib.import_module("models.ResNet").ResNet18(10)
    return network


def _labels(module: Any) -> list[int]:
    return list(module.dataset.datasets.CIFAR10("", True, False, None).targets)


@contextlib.contextmanager
def _watched(module: Any, trainer: Any, judge: str, rounds: int, spent: Spent) -> Iterator[None]:
    """Read the clock where phases meet: after a surrogate step, before and after the stop test."""
    own_judge, own_step, done = getattr(module, judge), trainer.train_batch, 0
    ended = since = now()

    def step(*arguments: Any) -> Any:
        nonlocal ended
        found = own_step(*arguments)
        ended = now()
        return found

    def judged(*arguments: Any, **named: Any) -> tuple[float, float]:
        nonlocal since, done
        spent.add("surrogate", since, ended)
        spent.add("noise", ended)
        with spent.phase("stop test"):
            loss, error = own_judge(*arguments, **named)
        since, done = now(), done + 1
        return loss, 0.0 if done == rounds else max(float(error), 1.0)

    trainer.train_batch = step
    setattr(module, judge, judged)
    try:
        yield
    finally:
        setattr(module, judge, own_judge)
