"""The sentences of the data set card that do not depend on the data."""

INTRODUCTION = (
    "This data set is deliberately made hard to train on. Its publisher perturbed the training "
    "images, so that models trained on them learn the perturbation instead of the content. "
    "The purpose is to keep the images from being used for training without consent. To ask for a "
    "clean copy, contact the publisher of this page; a gated repository is a way to share one."
)

NOT_AUDITED = (
    "**Not audited.** No measurement says how well this protection holds, not even against plain "
    "training. Do not rely on it before running `unlearn audit` on this release."
)

AUDIT = (
    "Clean test accuracy of models trained on clean images, on images with random noise of the same "
    "size, and on the protected images, with the same training and preprocessing. Each cell is the mean "
    "over the seeds after the last epoch with its 95 % interval, and in parentheses the mean of the "
    "best epoch. A protection holds where the protected column is low **and** the clean and random "
    "columns are not. What was not run says so."
)

WEAKNESSES = """\
- **Pretrained backbones.** Fine-tuning or probing a network that was trained on other data often learns
  from protected images much better than training from scratch does.
- **Purification.** Compression, gray images, diffusion models, and purifiers learned from leaked pairs
  of clean and protected images remove much of the perturbation. An adaptive trainer who knows the method
  is the strongest opponent, and no table here bounds what such a trainer can reach.
- **Systems that already know.** A matcher, gallery or model that has seen these images or these people
  before keeps what it knows.
- **Earlier copies.** Clean versions that were published before this release, or that are published
  beside it, are not protected; together with this release they are the pairs that a purifier learns
  from.
- **Partial protection.** Every clean image of a class weakens the protection of the others: a part of
  the data that stays clean can be enough to train on.
- **Future models.** The measurements are about the trainers that were run, today."""

NOTHING_ELSE = "Other columns and other splits of the source are not in it."
TEST_COPIED = "unmodified, lossless copies of the clean test images"
TEST_OMITTED = "not included"
PARTIAL = "which of them are protected is not stated, because that would help to undo the protection"

VERIFY = """\
Checksums of all files are in `SHA256SUMS`; machine-readable facts are in `release.json`.

```
sha256sum -c SHA256SUMS
unlearn verify .
```

The `id` of an image is made from its released pixels, not from the clean ones: the first 32 hexadecimal
digits of a SHA-256 of shape and pixels, with a count where images are equal. It says nothing
about the clean pixels of a protected image."""

ALL = " ".join((INTRODUCTION, NOT_AUDITED, AUDIT, WEAKNESSES, NOTHING_ELSE, TEST_COPIED, TEST_OMITTED, PARTIAL, VERIFY))
