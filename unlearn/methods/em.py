"""Error-minimizing noise (EM). Huang et al., ICLR 2021, Algorithm 1: min over weights, min over noise.

Sample-wise or class-wise by the problem's rows; class-wise noise is the mean of its members' steps, batch after
batch, as in the released code. Deviations: see crafting/alternate.py; `deal: apart` and `signed` are additions of ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ConfigDict, SerializerFunctionWrapHandler, model_serializer

from unlearn.crafting.schedule import Schedule
from unlearn.crafting.views import Views
from unlearn.errors import DataError
from unlearn.pgd import PGD
from unlearn.settings import as_before

if TYPE_CHECKING:
    from unlearn.crafting.problem import Problem
    from unlearn.perturbation import Additive
    from unlearn.stretched import Stretched


@dataclass(frozen=True)
class EM:
    """The paper's sample-wise settings for CIFAR-10 by default.

    views: what happens to the images between their owner and a trainer, inside the loop; nothing by default, as in
        the paper.
    deal: whose noise a sample gets, where it is class-wise: its class's `own`, as in the paper; or, once all is
        crafted, that of another class, so that every class gets what its clean images resemble least (`apart`); or its
        class's noise or the negative of it, by chance, so that a class has no mean noise (`signed`, crafting/signs.py).
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    pgd: PGD = PGD()
    schedule: Schedule = Schedule()
    views: Views = Views()
    deal: Literal["own", "apart", "signed"] = "own"

    @model_serializer(mode="wrap")
    def _written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return as_before(self, handler(self), "deal")

    def craft(self, problem: Problem) -> Additive | Stretched:
        """Noise within problem.epsilon that lets the surrogate's error fall to the stop error.

        Raises:
            DataError: sample-wise noise is to be dealt in another way than to its own sample.
        """
        from unlearn.crafting.alternate import MIN_MIN, alternate  # torch stays out of recipe checks

        if self.deal != "own" and problem.rows > problem.data.classes:
            raise DataError(f"em: only noise that a class shares is dealt {self.deal}; in a recipe: rows: class-wise")
        if self.deal == "signed":
            from unlearn.crafting.signs import signed

            problem = signed(problem)
        noise = alternate(problem, self.pgd, self.schedule, MIN_MIN, views=self.views)
        if self.deal != "apart":
            return noise
        from unlearn.crafting.dealing import apart

        return apart(problem, noise)
