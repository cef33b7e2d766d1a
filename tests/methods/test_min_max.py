"""Min-max: its contract, its claim (a network trained on clean images errs on the noisy ones), its recipe."""

import numpy as np
import torch
from conftest import make_dataset
from methods.contract import check, problem, small

from unlearn import recipe, training
from unlearn.crafting.pretrain import train_surrogate
from unlearn.methods.min_max import MinMax
from unlearn.settings import Training


def test_contract() -> None:
    for rows in ("sample-wise", "class-wise"):
        check(MinMax(), rows)


def test_claim_clean_networks_err_on_it() -> None:
    data = make_dataset(150, contrast=10)
    setting = problem(data, "sample-wise")
    method = MinMax(
        pgd=small(MinMax()).pgd,
        schedule=MinMax().schedule,
        pretrain=Training(epochs=6, batch_size=32, augment=()),
    )
    made = method.craft(setting)
    network = setting.network()
    train_surrogate(setting, network, method.pretrain)
    labels = torch.from_numpy(data.labels)
    clean = training.accuracy(network, torch.from_numpy(data.images), labels)
    noisy = training.accuracy(network, torch.from_numpy(made.apply_pixels(data.images, np.arange(150))), labels)
    assert clean > 0.95
    assert noisy < 0.35


def test_recipe() -> None:
    settings = recipe.load("min_max")
    assert isinstance(settings.method, MinMax)
    assert settings.method.schedule.stop_error == 0.9
