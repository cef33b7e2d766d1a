"""The order of the work: photos by path, equal files after the first of them, sidecars when their photos are done."""

from collections import Counter, deque
from collections.abc import Iterator

from unlearn.photos import carrying, decisions
from unlearn.photos.jobs import Job
from unlearn.photos.ledger import Ledger
from unlearn.photos.rows import Row, Status
from unlearn.photos.settings import Archive
from unlearn.photos.survey import Item

_Likeness = tuple[int, str, str]


class Feeder:
    """Gives out the jobs of an archive and takes back what became of them."""

    def __init__(self, items: list[Item], outs: dict[bytes, bytes], archive: Archive, ledger: Ledger):
        self.archive, self.ledger, self.outs = archive, ledger, outs
        self.photos = iter([item for item in items if item.task != "sidecar"])
        self.sidecars = iter([item for item in items if item.task == "sidecar"])
        likeness = Counter(self._likeness(item) for item in items if item.task == "protect")
        self.several = {like for like, count in likeness.items() if count > 1}
        self.leaders: dict[_Likeness, Row | None] = {}
        self.waiting: dict[bytes, list[Item]] = {}
        self.free: deque[Item] = deque()
        self.flying: dict[bytes, Item] = {}
        self.left = archive.limit

    def next(self) -> Job | None:
        """The next job that may start now; files that need none are counted on the way."""
        for item in self._photos():
            job = self._job(item)
            if job:
                return self._start(item, job)
        if self.flying or self.waiting:
            return None
        for item in self.sidecars:
            job = self._sidecar(item)
            if job:
                return self._start(item, job)
        return None

    def _photos(self) -> Iterator[Item]:
        """Files whose equals are done, then new ones."""
        while self.free:
            yield self.free.popleft()
        yield from self.photos

    def _start(self, item: Item, job: Job) -> Job:
        self.flying[item.path] = item
        return job

    def done(self, row: Row) -> None:
        """Note what became of a job, and let its equals go."""
        item = self.flying.pop(row.path)
        self.ledger.record(item, row)
        if self._likeness(item) in self.several:
            self.leaders.setdefault(self._likeness(item), row if row.status == "protected" else None)
        self.free.extend(self.waiting.pop(row.path, []))

    def _job(self, item: Item) -> Job | None:
        out = self.outs.get(item.path, item.path)
        row = self.ledger.row(item, out)
        like = self._likeness(item)
        if row:
            if like in self.several and row.status == "protected":
                self.leaders.setdefault(like, row)
            self.ledger.unchanged(item, row)
            return None
        ended = self._ended(item)
        if ended:
            self.ledger.record(item, *ended)
            return None
        if item.task == "other":
            return Job(item.path, out, "copy", format=item.format, reason=item.reason)
        if self._waits(item, like) or not self._within_limit():
            return None
        named = item.named if self.archive.finder else ()
        return Job(item.path, out, "protect", item.subject, item.format, twin=self.leaders.get(like), named=named)

    def _likeness(self, item: Item) -> _Likeness:
        """Equal files have it in common; others may too."""
        return item.size, item.subject, carrying.mark(item.subject, item.named, self.archive) if item.named else ""

    def _ended(self, item: Item) -> tuple[Row, bool] | None:
        """The row of a file that needs no worker, and whether it is to be kept."""
        if self.ledger.foreign(item):
            return _said(item, "failed", decisions.ELSEWHERE), False
        if item.task == "failed":
            return _said(item, "failed", item.reason), True
        if item.task == "other" and self.archive.others == "skip":
            return _said(item, "left-out", item.reason), True
        return None

    def _waits(self, item: Item, like: _Likeness) -> bool:
        """Hold a file back while one that may be its equal is in hand."""
        if like not in self.several or like in self.leaders:
            return False
        leader = next((path for path, other in self.flying.items() if self._likeness(other) == like), None)
        if leader is None:
            return False
        self.waiting.setdefault(leader, []).append(item)
        return True

    def _within_limit(self) -> bool:
        if self.left is None:
            return True
        self.left -= 1
        return self.left >= 0

    def _sidecar(self, item: Item) -> Job | None:
        out = self.outs.get(item.path, item.path)
        row = self.ledger.row(item, out)
        photo = self.ledger.manifest.get(item.photo)
        there = photo is not None and photo.has_output
        if row and (there or not row.has_output):
            self.ledger.unchanged(item, row)
            return None
        if self.ledger.foreign(item):
            self.ledger.record(item, _said(item, "failed", decisions.ELSEWHERE), keep=False)
            return None
        if self.archive.sidecars == "skip" or not there:
            reason = decisions.SKIPPED if there else decisions.NO_PHOTO
            self.ledger.record(item, _said(item, "left-out", reason))
            return None
        return Job(item.path, out, "sidecar", format=item.format)


def _said(item: Item, status: Status, reason: str) -> Row:
    return Row(
        item.path,
        status,
        reason,
        size=item.size,
        mtime_ns=item.mtime_ns,
        format=item.format,
        subject=item.subject,
    )
