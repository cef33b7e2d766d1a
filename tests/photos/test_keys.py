"""Key files: what they carry, who may read them, and what is refused."""

import json
import stat
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from unlearn.photos import keys
from unlearn.photos.keys import Key, KeyFileError
from unlearn.photos.picture import Picture


def key(seed: int = 0, variants: int = 2, channels: int = 1, side: int = 8) -> Key:
    delta = np.random.default_rng(seed).integers(-2048, 2049, (variants, channels, side, side)).astype(np.int16)
    return Key("Zoë / \n", delta, 8 / 255, "mid", bytes(range(32)), "abc", made="2026-01-01", versions={"unlearn": "1"})


def test_a_key_survives_its_file(tmp_path: Path) -> None:
    keys.save(tmp_path / "k.safetensors", key())
    found = keys.load(tmp_path / "k.safetensors")
    assert np.array_equal(found.delta, key().delta)
    assert replace(found, delta=None) == replace(key(), delta=None)  # type: ignore[arg-type]
    assert found.id == key().id
    assert stat.S_IMODE((tmp_path / "k.safetensors").stat().st_mode) == 0o600


def test_equal_keys_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        keys.save(tmp_path / name, key())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_id_tells_keys_apart_and_nothing_of_the_secret() -> None:
    assert key().id != key(1).id
    assert key().id != replace(key(), secret=b"\0" * 32).id
    assert key().secret.hex()[:8] not in key().id


def test_the_pixels_choose_the_variant() -> None:
    many = key(variants=4)
    chosen = [many.variant(bytes([i]) * 32) for i in range(64)]
    places = {next(v for v in range(4) if np.array_equal(many.delta[v], c)) for c in chosen}
    assert places == {0, 1, 2, 3}
    assert np.array_equal(many.variant(b"x"), many.variant(b"x"))


def test_the_pixel_hash_is_of_the_upright_photo() -> None:
    shown = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    turned = np.ascontiguousarray(np.rot90(shown))
    assert keys.pixel_hash(Picture(shown, "jpeg")) == keys.pixel_hash(Picture(turned, "png", orientation=6))
    assert keys.pixel_hash(Picture(shown, "jpeg")) != keys.pixel_hash(Picture(turned, "png"))
    assert keys.pixel_hash(Picture(shown, "jpeg")) != keys.pixel_hash(Picture(shown.astype(np.uint16), "png"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "not a key of this version"),
        ({"kind": "additive"}, "not a key of this version"),
        ({"epsilon": 4 / 255}, "noise reaches 8 levels, its budget is 4"),
        ({"epsilon": "much"}, "not a readable key file"),
        ({"secret": "00"}, "its secret is damaged"),
        ({"secret": "zz" * 32}, "not a readable key file"),
        ({"subject": None}, None),
    ],
)
def test_keys_that_contradict_themselves(tmp_path: Path, change: dict[str, object], message: str | None) -> None:
    meta = {
        **{"schema": 1, "kind": "key", "subject": "a", "epsilon": 8 / 255, "strength": "mid", "secret": "00" * 32},
        **{"recipe_hash": "", "threat": "training", "made": "", "versions": {}},
        **change,
    }
    delta = np.full((1, 1, 4, 4), 2048, dtype=np.int16)
    save_file({"delta": delta}, tmp_path / "k", metadata={"unlearn": json.dumps(meta)})
    if message is None:
        assert keys.load(tmp_path / "k").subject == "None"
        return
    with pytest.raises(KeyFileError, match=message):
        keys.load(tmp_path / "k")


@pytest.mark.parametrize("content", [b"", b"not a key", b"\xff" * 5000])
def test_files_that_are_no_keys(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "k").write_bytes(content)
    with pytest.raises(KeyFileError, match=r"not a readable key file"):
        keys.load(tmp_path / "k")
    with pytest.raises(KeyFileError, match=r"no such key file"):
        keys.load(tmp_path / "missing")


def test_noise_of_wrong_type_or_shape(tmp_path: Path) -> None:
    for delta in (np.zeros((1, 2, 4, 4), np.int16), np.zeros((1, 1, 4, 5), np.int16), np.zeros((1, 1, 4, 4), np.int8)):
        save_file({"delta": delta}, tmp_path / "k", metadata={"unlearn": json.dumps({"schema": 1, "kind": "key"})})
        with pytest.raises(KeyFileError, match=r"wrong type or shape"):
            keys.load(tmp_path / "k")
