"""The verdict in three plain sentences: does it protect, is it the pattern, does it hold.

The lines drawn here: a protection that takes less than half of what clean images teach does not protect, one
that takes four fifths does; differences below two points are noise.
"""

from collections.abc import Sequence

from unlearn.audit import report_measures as measures
from unlearn.audit.report_measures import LEARNED, Line, Measure
from unlearn.audit.report_text import guess, percent

HALF, MOST = 0.5, 0.8
NOISE = 0.02
EARLY = 0.05


def sentences(found: Sequence[Line], chance: float, not_run: Sequence[str]) -> list[str]:
    """Without a defense, against random noise, and at the worst case."""
    first = measures.primary(found)
    return [_undefended(first, found, chance), _against_noise(first, chance), _worst(found, chance, not_run)]


def _undefended(first: Line | None, found: Sequence[Line], chance: float) -> str:
    protected = first.last["protected"] if first else None
    clean = first.last["clean"] if first else None
    if protected is None:
        return "No network was trained on the protected images as they are, so nothing is known about them."
    start = f"A network trained on the protected images recognizes {percent(protected.mean)} of clean test images"
    if clean is None:
        return (
            f"{start} and guessing gives {guess(chance)}, but none was trained on the clean images, so it is "
            f"not known whether that is little ({_runs(found)})."
        )
    return (
        f"{start}; trained on the clean ones it recognizes {percent(clean.mean)}, and guessing gives "
        f"{guess(chance)}, so {_effect(clean, protected, chance)} ({_runs(found)})."
    )


def _effect(clean: Measure, protected: Measure, chance: float) -> str:
    if clean.mean - chance < LEARNED:
        return "the network hardly learned even from clean images, and nothing can be said about the protection"
    share = measures.protection(clean, protected, chance) or 0.0
    if share < HALF:
        return "these images are not protected"
    effect = "the protection works" if share >= MOST else "the protection works only in part"
    unsure = protected.high is not None and protected.high > (clean.mean + chance) / 2
    return f"{effect} as long as nobody works against it" + (", though the runs differ a lot" if unsure else "")


def _runs(found: Sequence[Line]) -> str:
    counts = sorted({m.seeds for line in found for m in line.last.values() if m})
    if counts == [1]:
        return "each figure is a single training run and can be off by several points"
    few = f"{counts[0]} to " if len(counts) > 1 else ""
    return f"all figures are means of {few}{counts[-1]} training runs"


def _against_noise(first: Line | None, chance: float) -> str:
    clean, noise, protected = (first.last[name] if first else None for name in measures.CONTROLS)
    if noise is None:
        return "Random noise of the same strength was not tried, so nobody can say if the pattern matters."
    start = f"Random noise of the same strength leaves {percent(noise.mean)}"
    if clean is None or protected is None:
        return f"{start}, but what to compare it with was not run."
    return f"{start}, {_noise_effect(clean.mean, noise.mean, protected.mean, chance)}."


def _noise_effect(clean: float, noise: float, protected: float, chance: float) -> str:
    if clean - chance < LEARNED:
        return "which says nothing here, because the network hardly learned even from clean images"
    if noise - protected < NOISE:
        return "so the crafted pattern does no more than noise does"
    if clean - protected < HALF * (clean - chance):
        return "so the crafted pattern does more than noise, but too little to protect"
    if noise - protected < HALF * (clean - protected):
        return "so a large part of the effect is mere noise and not the crafted pattern"
    return "so it is the crafted pattern and not the noise that protects"


def _worst(found: Sequence[Line], chance: float, not_run: Sequence[str]) -> str:
    line = measures.highest(found, "protected")
    tail = f"not tried: {', '.join(not_run)}." if not_run else "what else was not tried is not recorded."
    if line is None:
        return f"No defense was tried either; {tail}"
    return f"{_where(line, found)}{_holds(line, found, chance)}{_early(line, found)}; {tail}"


def _where(line: Line, found: Sequence[Line]) -> str:
    tried = measures.distinct(x.defense for x in found if x.defense != measures.NO_DEFENSE and x.last["protected"])
    victims = measures.distinct(x.victim for x in found if x.last["protected"])
    network = f"the network {line.victim}" if len(victims) > 1 else "the network"
    reached = f"{network} recognizes {_compared(line)}"
    if not tried:
        return f"No defense was tried (as they are, {reached})" if len(victims) > 1 else "No defense was tried"
    if line.defense == measures.NO_DEFENSE:
        return f"{_none_of(tried)}: without a defense {reached}"
    if len(tried) == 1:
        return f"The one defense tried is {line.defense}: with it {reached}"
    return f"The worst of the {len(tried)} defenses tried is {line.defense}: with it {reached}"


def _none_of(tried: Sequence[str]) -> str:
    if len(tried) == 1:
        return f"The one defense tried, {tried[0]}, does not raise this"
    return f"None of the {len(tried)} defenses tried raises this"


def _compared(line: Line) -> str:
    protected, clean = line.last["protected"], line.last["clean"]
    beside = f"trained on clean images in the same way: {percent(clean.mean)}" if clean else "clean: not run"
    return f"{percent(protected.mean) if protected else ''} ({beside})"


def _holds(line: Line, found: Sequence[Line], chance: float) -> str:
    share, clean = line.protection(), line.last["clean"]
    untried = all(x.defense == measures.NO_DEFENSE for x in found)
    if untried:
        return ", so it is not known whether the protection survives one"
    if share is None or clean is None or clean.mean - chance < LEARNED:
        return ", so it is not known whether the protection holds"
    weakest = measures.weakest(found, "protected") or line
    told = "" if weakest is line else f", and least is lost with {weakest.defense}: {_compared(weakest)}"
    share = min(share, weakest.protection() or 0.0)
    against = "" if weakest.defense == measures.NO_DEFENSE else f" against {weakest.defense}"
    if share < HALF:
        return f"{told}, so this protection does not hold{against}"
    return f"{told}, so this protection holds {'' if share >= MOST else 'only in part '}against what was tried"


def _early(line: Line, found: Sequence[Line]) -> str:
    best = measures.highest(found, "protected", peak=True)
    peak, last = best.peak["protected"] if best else None, line.last["protected"]
    if best is None or peak is None or last is None or peak.mean - last.mean < EARLY:
        return ""
    how = "without a defense" if best.defense == measures.NO_DEFENSE else f"with {best.defense}"
    return f", and stopped at its best moment a network {how} reaches {percent(peak.mean)}"
