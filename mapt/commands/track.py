"""`mapt track`: label a folder of frames, a video or a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapt.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mapt.app.track_source import Tracked
    from mapt.io.frame_source import Source
    from mapt.runtime import PanopticTracker


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(track)


def track(  # noqa: PLR0917  (the command's options)
    source: Annotated[
        Path, typer.Argument(metavar="INPUT", help="a folder of frames, a video, or a dataset")
    ],
    out: Annotated[Path, typer.Option("--out", help="folder of the outputs")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="nano-synthetic (the default), nano, a bundle, weights, or hf:OWNER/NAME@COMMIT",
        ),
    ] = None,
    save: Annotated[
        str, typer.Option("--save", help="any of step,video,json,coco,mot")
    ] = "step,video,json",
    fps: Annotated[
        float | None,
        typer.Option("--fps", min=0.001, help="frames per second, instead of what the source says"),
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1)] = None,
    trust: Annotated[
        Path | None,
        typer.Option("--trust", help="public key that must have signed the bundle (PEM)"),
    ] = None,
    backend: Annotated[
        str, typer.Option("--backend", help="of a bundle: auto, ort or tensorrt")
    ] = "auto",
    tf32: Annotated[
        bool, typer.Option("--tf32", help="let a GPU round float32 to TF32 in a bundle's products")
    ] = False,
    association: Annotated[
        str, typer.Option("--association", help="full, motion, appearance or iou")
    ] = "full",
    sequences: Annotated[
        str | None, typer.Option("--sequences", help="of a dataset, by comma")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", help="network input HxW; auto, the default: what suits the frames"),
    ] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option("--budget-ms", help="take the best input size whose frames keep this"),
    ] = None,
    tta: Annotated[
        bool, typer.Option("--tta", help="see every frame at three sizes, with weights only")
    ] = False,
    record: Annotated[
        Path | None, typer.Option("--record", help="write the networks' outputs here")
    ] = None,
    replay: Annotated[
        Path | None, typer.Option("--replay", help="take them from here instead of a model")
    ] = None,
    rerun: Annotated[
        str | None, typer.Option("--rerun", help="live: rerun's viewer; else a file to write")
    ] = None,
    device: Annotated[
        str, typer.Option("--device", help="auto, cpu or cuda; of weights also cuda:N")
    ] = "auto",
) -> None:
    """Label every pixel and give every car and person an id that lasts."""
    from mapt.app.track_source import KINDS, MORE_KINDS
    from mapt.commands._shared.open_tracker import TrackerOptions, open_tracker, replaying
    from mapt.commands._shared.size import check_rate
    from mapt.io.frame_source import open_sources
    from mapt.runtime.persistence.recording import Replayer, ReplayMismatch

    kinds = tuple(part.strip() for part in save.split(",") if part.strip())
    known = (*KINDS, *MORE_KINDS)
    wrong = next((kind for kind in kinds if kind not in known), None)
    if wrong or not kinds:
        raise InputError(
            f"--save {save}: {wrong or 'nothing'} is unknown; choose any of {','.join(known)}"
        )
    check_rate(fps)
    names = [part.strip() for part in sequences.split(",") if part.strip()] if sequences else None
    if sequences and not names:
        raise InputError(
            f"--sequences {sequences}: names none; give names by comma, or leave it out"
        )
    sources = open_sources(source, fps, names)
    _check_outputs(out, sources, kinds, record, rerun)
    if replay:
        ours = (backend, device, association) != ("auto", "auto", "full")
        chosen = model or size or budget_ms
        if chosen or record or tta or tf32 or threads or ours or trust is not None:
            raise InputError(
                f"--replay {replay}: a record stands in for a model, and ran as it ran; leave out"
                " --model, --record, --tta, --tf32, --threads, --size, --budget-ms, --backend,"
                " --device, --association and --trust"
            )
        tracker = replaying(replay)
    else:
        options = TrackerOptions(
            threads, association, size, budget_ms, backend, tta, device, tf32, trust
        )
        tracker = open_tracker(model, options, sources)
    try:
        results = _track_all(tracker, sources, out, kinds, record, rerun)
        if isinstance(tracker.backend, Replayer):
            tracker.backend.close()
    except ReplayMismatch as difference:
        typer.echo(printable(f"first difference from {replay}: {difference}"), err=True)
        raise typer.Exit(1) from None
    if replay:
        typer.echo(f"replayed {printable(str(replay))}: every frame as recorded, bit for bit")
    for r in results:
        typer.echo(
            f"{printable(r.name)}: {r.frames} frames, {r.tracks} tracks, {r.median_ms:.1f} ms a"
            " frame (median)"
        )
        if r.alarms:
            seen = ", ".join(f"{kind} in {count}" for kind, count in sorted(r.alarms.items()))
            typer.echo(
                f"{printable(r.name)}: alarms: {seen} of {r.frames} frames; tracks.json says which"
            )
    for assumed in dict.fromkeys(s.assumed for s in sources if s.assumed):
        typer.echo(assumed)
    typer.echo(f"outputs: {printable(str(out))}")


def _check_outputs(
    out: Path,
    sources: Sequence[Source],
    kinds: Sequence[str],
    record: Path | None,
    rerun: str | None,
) -> None:
    """Check before the work that outputs can be written and replace no other data."""
    from mapt.app.rerun_view import LIVE
    from mapt.app.track_source import check_places
    from mapt.io.atomic_files import check_writable

    view = Path(rerun) if rerun and rerun != LIVE else None
    check_writable(record, "--record")
    check_writable(view, "--rerun")
    check_places(out, sources, kinds, [path for path in (record, view) if path])


def _track_all(
    tracker: PanopticTracker,
    sources: Sequence[Source],
    out: Path,
    kinds: tuple[str, ...],
    record: Path | None,
    rerun: str | None,
) -> list[Tracked]:
    """Track every source in turn; record it and show it in rerun if asked for.

    The record, and rerun's file, appear when all are done.
    """
    from contextlib import ExitStack
    from functools import partial

    from rich.progress import Progress

    from mapt.app.track_source import class_set_of, track_source
    from mapt.io.atomic_files import atomic_file
    from mapt.runtime import PanopticTracker
    from mapt.runtime.persistence.recording import Recorder

    results = []
    show = None
    with ExitStack() as stack:
        if record:
            file = stack.enter_context(stack.enter_context(atomic_file(record)).open("wb"))
            tracker = PanopticTracker(
                Recorder(tracker.backend, file, tracker.association), tracker.association
            )
        if rerun:
            from mapt.app.rerun_view import rerun_view

            show = stack.enter_context(rerun_view(rerun, class_set_of(tracker))).show
        progress = stack.enter_context(Progress(transient=True))
        for entry in sources:
            task = progress.add_task(entry.name, total=len(entry) or None)
            advance = partial(progress.advance, task)
            results.append(track_source(tracker, entry, out, kinds, on_progress=advance, show=show))
    return results
