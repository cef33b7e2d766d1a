"""The summary of a run in plain words."""

from unlearn.photos import face_summary, wording
from unlearn.photos.display import clock
from unlearn.photos.summary import Quality, Summary


def lines(summary: Summary, out: str) -> list[str]:
    """What was done, what it costs, what was left behind, and what is not covered."""
    return [
        *_done(summary, out),
        *_files(summary),
        *face_summary.lines(summary.faces),
        *_trouble(summary),
        *_quality(summary),
        *_left_behind(summary),
        *_labels(summary),
        "not covered:",
        *(f"  - {text}" for text in summary.not_covered),
        *_end(summary, out),
    ]


def _done(summary: Summary, out: str) -> list[str]:
    worked = summary.run.total()
    speed = f", {worked / summary.seconds:.1f} files/s" if worked and summary.seconds > 1 else ""
    return [
        f"{out}: {worked:,} files worked on in {clock(summary.seconds)}{speed}, {summary.unchanged:,} were up to date"
    ]


def _files(summary: Summary) -> list[str]:
    text = [f"in OUT now: {wording.photos(summary.files['protected'])} protected"]
    if summary.copied:
        text += ["copied, because you asked for it or as sidecars:", *wording.counted(summary.copied)]
    if summary.unprotected:
        text.append(f"WARNING: {summary.unprotected:,} of the copied files may show clean pictures")
    if summary.left_out:
        text += ["not in OUT:", *wording.counted(summary.left_out)]
    rules = +summary.rules
    if rules:
        text += ["not looked at:", *wording.counted(rules)]
    return text


def _trouble(summary: Summary) -> list[str]:
    text = []
    count = summary.files["failed"] + summary.files["damaged"]
    if count:
        text.append(f"failed or damaged: {count:,}")
        text += wording.some(f"{path}: {reason}" for path, reason in summary.failures)
    if summary.unreadable:
        text += ["folders and files that cannot be read:", *wording.some(summary.unreadable)]
    if summary.vanished:
        count = len(summary.vanished)
        text.append(f"originals that are gone: {count:,}; their protected copies stay (--prune deletes them)")
        text += wording.some(summary.vanished)
    if summary.pruned:
        text.append(f"deleted, because their originals are gone: {summary.pruned:,}")
    return text


def _quality(summary: Summary) -> list[str]:
    quality = summary.quality
    if not quality.psnr or not quality.ssim:
        return ["quality: not measured (--verify-written)"] if summary.files["protected"] else []
    growth = f"; file sizes {summary.growth - 1:+.1%}" if summary.growth is not None else ""
    text = [
        f"quality over {wording.photos(quality.measured)}: "
        f"PSNR {quality.psnr.median:.1f} dB (worst {quality.psnr.worst:.1f}), "
        f"SSIM {quality.ssim.median:.3f} (worst {quality.ssim.worst:.3f}){growth}"
    ]
    if quality.linf:
        text.append(
            f"largest change of a pixel as saved: {quality.linf.median:.0f} of 255 (worst {quality.linf.worst:.0f}); "
            "encoding goes beyond epsilon"
        )
    text += _kept(quality)
    text += ["look at these first (worst SSIM):"]
    text += [f"    {path}: SSIM {ssim:.3f}, PSNR {psnr:.1f} dB" for path, ssim, psnr in quality.worst]
    return text


def _kept(quality: Quality) -> list[str]:
    if not quality.kept:
        return []
    text = [f"noise that survives in the saved files: {quality.kept.median:.0%} (worst {quality.kept.worst:.0%})"]
    if quality.little_kept:
        text.append(f"WARNING: less than half of the noise survives in {wording.photos(quality.little_kept)}")
    return text


def _left_behind(summary: Summary) -> list[str]:
    text = []
    if summary.hdr_lost:
        text.append(f"HDR display lost on {wording.photos(summary.hdr_lost)}: a gain map is a clean picture")
    if summary.dropped:
        text += ["left behind, by photos:", *wording.counted(summary.dropped, 20)]
    if summary.notes:
        text += ["to know:", *wording.counted(summary.notes)]
    return text


def _labels(summary: Summary) -> list[str]:
    text = []
    named = len(summary.subjects)
    if named > 1:
        more = "; a face without a name has that of its photo's subject" if summary.faces.protected else ""
        text.append(f"subjects: {named:,}; every photo carries the noise of one of them{more}")
    if summary.conflicts:
        text += [f"labels that disagree: {len(summary.conflicts):,}", *wording.some(summary.conflicts)]
    if summary.doubts:
        text += [f"labels to look at: {len(summary.doubts):,}", *wording.some(summary.doubts)]
    return text


def _end(summary: Summary, out: str) -> list[str]:
    if summary.stopped:
        return [f"stopped: {summary.stopped}; make room and run the same command again, it goes on from here"]
    if summary.exit_code == 130:
        return ["interrupted: run the same command again, it goes on from here"]
    return [f"next: unlearn verify {out}"]
