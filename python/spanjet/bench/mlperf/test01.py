"""Verify compliance test TEST01: a performance run gives the same responses as an accuracy run.

LoadGen logs a random sample of a performance run's responses; these must equal those of the accuracy run, and
the speed must be within 10 % of the performance run's (mlcommons/inference, compliance/TEST01).
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from spanjet.bench.mlperf.accuracy import LOG, read_log
from spanjet.bench.mlperf.loadgen.verdict import Verdict

__all__ = ["Test01", "verify", "write_audit_config"]

# The seed and the number of responses that MLPerf's audit.config of BERT has, since v2.0.
SEED, SAMPLED = 720381539243781796, 4096

#: How far the speeds may be apart; more where a query takes no longer than the second number of milliseconds.
TOLERANCE, LOOSE_TOLERANCE = 0.10, 0.20
SHORT = {"SingleStream": 0.2, "MultiStream": 1.6}


@dataclass(frozen=True, kw_only=True, slots=True)
class Test01:
    """Result of the compliance test.

    Attributes:
        sampled: number of logged responses of the compliance run.
        mismatches: number of them that differ in any bit from those of the accuracy run.
        reference, found: result metric of the performance run and of the compliance run.
        tolerance: maximum difference of the metrics, as a share of the former.
    """

    sampled: int
    mismatches: int
    reference: float
    found: float
    tolerance: float

    @property
    def same_answers(self) -> bool:
        """True if all logged responses are equal; False if none was logged."""
        return self.sampled > 0 and not self.mismatches

    @property
    def same_speed(self) -> bool:
        """True if the compliance run's speed is within the tolerance."""
        return abs(self.found - self.reference) <= self.tolerance * self.reference

    @property
    def passed(self) -> bool:
        """True if responses and speed agree."""
        return self.same_answers and self.same_speed

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes and verdicts by name, JSON-serialisable."""
        return {
            **asdict(self),
            "same_answers": self.same_answers,
            "same_speed": self.same_speed,
            "passed": self.passed,
        }

    def write(self, directory: Path) -> None:
        """Write ``verify_accuracy.txt`` and ``verify_performance.txt`` for the submission checker."""
        answers = f"{self.sampled} responses, {self.mismatches} unlike the accuracy run's"
        speed = f"{self.reference:.6g} in the performance run, {self.found:.6g} in this one"
        for name, words, passed in (
            ("verify_accuracy.txt", answers, self.same_answers),
            ("verify_performance.txt", speed, self.same_speed),
        ):
            verdict = "TEST PASS" if passed else "TEST FAIL"
            (directory / name).write_text(f"{words}\n{verdict}\n", encoding="utf-8")


def write_audit_config(path: Path) -> None:
    """Write the ``audit.config`` that LoadGen reads for this test."""
    values = {"mode": 2, "accuracy_log_rng_seed": SEED, "accuracy_log_sampling_target": SAMPLED}
    path.write_text("".join(f"*.*.{name} = {value}\n" for name, value in values.items()), encoding="utf-8")


def verify(*, performance: Path, accuracy: Path, compliance: Path, sampled: Path) -> Test01:
    """Compare a compliance run with its performance and accuracy run.

    Args:
        performance: directory of LoadGen's logs of the performance run.
        accuracy: directory of LoadGen's logs of the accuracy run.
        compliance: directory of LoadGen's logs of the compliance run.
        sampled: file of the responses that LoadGen logged in the compliance run.

    Raises:
        OSError: a log is missing.
        ValueError: a log is damaged.
    """
    expected = dict(read_log(accuracy / LOG))
    kept = read_log(sampled)
    reference, found = Verdict.read(performance), Verdict.read(compliance)
    short = reference.value <= SHORT.get(reference.scenario, 0.0)
    return Test01(
        sampled=len(kept),
        mismatches=sum(expected.get(index) != data for index, data in kept),
        reference=reference.value,
        found=found.value,
        tolerance=LOOSE_TOLERANCE if short else TOLERANCE,
    )
