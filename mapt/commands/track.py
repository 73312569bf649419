"""`mapt track`: label videos, folders of frames, cameras, streams, bags and datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mapt.errors import InputError, printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mapt.io.sources.frame import Source


def register(app: typer.Typer, name: str) -> None:
    """Attach the command."""
    app.command(name)(track)


def track(  # noqa: PLR0917  (the command's options)
    context: typer.Context,
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="videos, folders of frames, 'globs', a dataset, a camera's number, an address, a"
            " ROS bag, MCAP, or - for standard input; on an engine also a list and s3://, gs://",
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            help="folder of the outputs, else a new one: runs/track, runs/track2; on an engine also"
            " s3:// and gs://",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            help="nano-synthetic (the default), nano, a bundle, weights, or hf:OWNER/NAME@COMMIT",
        ),
    ] = None,
    save: Annotated[
        str,
        typer.Option("--save", help="any of step,video,json,coco,mot,mots,yolo,csv,parquet,mcap"),
    ] = "step,video,json",
    classes: Annotated[
        str | None, typer.Option("--classes", help="write and show these alone, names by comma")
    ] = None,
    conf: Annotated[
        float,
        typer.Option("--conf", min=0.0, max=1.0, help="least score of what is written and shown"),
    ] = 0.0,
    show: Annotated[
        bool, typer.Option("--show", help="show the frames in a window meanwhile")
    ] = False,
    fps: Annotated[
        float | None,
        typer.Option("--fps", min=0.001, help="frames per second, instead of what the source says"),
    ] = None,
    start: Annotated[
        str | None, typer.Option("--start", help="begin here: seconds, or hh:mm:ss")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--end", help="end before here: seconds, or hh:mm:ss")
    ] = None,
    stride: Annotated[int, typer.Option("--stride", min=1, help="track every n-th frame")] = 1,
    max_frames: Annotated[
        int | None, typer.Option("--max-frames", min=1, help="of each source")
    ] = None,
    topic: Annotated[str | None, typer.Option("--topic", help="of a bag's images")] = None,
    reconnect: Annotated[
        float | None,
        typer.Option(
            "--reconnect",
            min=0,
            help="seconds until a lost stream is given up; 60, 0 or inf: at once or never",
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option("--threads", min=1)] = None,
    trust: Annotated[
        Path | None,
        typer.Option("--trust", help="public key that must have signed the bundle (PEM)"),
    ] = None,
    backend: Annotated[
        str, typer.Option("--backend", help="of a bundle: auto, ort, tensorrt, openvino or rtx")
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
    zoom: Annotated[
        bool,
        typer.Option("--zoom", help="see the middle twice as large, too, with weights only"),
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
    core: Annotated[
        str, typer.Option("--core", help="of a bundle: python, native or auto, the same labels")
    ] = "auto",
    engine: Annotated[
        str | None,
        typer.Option("--engine", help="many recordings at once: local (processes) or ray"),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="of the Ray cluster: auto, HOST:PORT; default: a new one"),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="recordings at once, on an engine")
    ] = None,
    gpus: Annotated[
        float, typer.Option("--gpus", min=0, help="share of a GPU of each worker, on Ray")
    ] = 0.0,
    max_failures: Annotated[
        int | None,
        typer.Option("--max-failures", min=0, help="give up when more recordings failed"),
    ] = None,
    piece: Annotated[
        int | None,
        typer.Option("--piece", min=1, help="save long recordings every so many frames"),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="ground truth, <recording>/<frame>.png: PAT in the index"),
    ] = None,
    dataset: Annotated[
        str, typer.Option("--dataset", help="classes of --truth, as of `mapt eval`")
    ] = "kitti-step",
) -> None:
    """Label every pixel and give every car and person an id that lasts.

    With --engine or --workers it takes many recordings, does what is missing, and writes an index.
    """
    from mapt.app.outputs.kinds import check_kinds, parse_kinds
    from mapt.app.selection import select
    from mapt.app.track_run import Run, track_all
    from mapt.app.track_source import class_set_of
    from mapt.commands._shared.fleet.track_fleet import (
        FleetTrack,
        needs_engine,
        refuse_here,
        track_fleet,
    )
    from mapt.commands._shared.open_tracker import TrackerOptions, open_tracker, replaying
    from mapt.commands._shared.size import check_rate
    from mapt.commands._shared.track_summary import tell_results
    from mapt.engines.choice import EngineOptions
    from mapt.fleet.job import Reading
    from mapt.io.run_folders import run_folder
    from mapt.io.sources.choice import SourceOptions, open_named
    from mapt.io.sources.frame_selection import selection_of
    from mapt.runtime.persistence.recording import Replayer, ReplayMismatch

    kinds = parse_kinds(save)
    check_rate(fps)
    names = [part.strip() for part in sequences.split(",") if part.strip()] if sequences else None
    if sequences and not names:
        raise InputError(
            f"--sequences {sequences}: names none; give names by comma, or leave it out"
        )
    options = TrackerOptions(
        threads, association, size, budget_ms, backend, tta, device, tf32, trust,
        core=core, zoom=zoom,
    )  # fmt: skip
    selection = selection_of(start, end, stride, max_frames)
    asked = (engine, address, workers, gpus, piece, truth, max_failures is not None)
    if any(asked) or needs_engine(source, out):
        refuse_here(
            {
                "--record": record,
                "--replay": replay,
                "--rerun": rerun,
                "--show": show,
                "--reconnect": reconnect is not None,
            }
        )
        track_fleet(
            FleetTrack(
                sources=source,
                out=out,
                model=model,
                tracker=options,
                kinds=kinds,
                classes=classes,
                conf=conf,
                reading=Reading(fps, topic, selection),
                sequences=names,
                truth=truth,
                dataset=dataset,
                piece=piece,
                engine=EngineOptions(engine or "local", address, workers, threads or 1, gpus),
                max_failures=max_failures,
            )
        )
        return
    sources = open_named(
        source,
        SourceOptions(
            fps=fps,
            sequences=names,
            topic=topic,
            selection=selection,
            patience=reconnect,
            announce=lambda text: typer.echo(printable(text), err=True),
        ),
    )
    place = context.with_resource(run_folder(None if out is None else Path(out), "track"))
    _check_outputs(place, sources, kinds, record, rerun)
    if replay:
        ours = (backend, device, association, core) != ("auto", "auto", "full", "auto")
        chosen = model or size or budget_ms
        if chosen or record or tta or zoom or tf32 or threads or ours or trust is not None:
            raise InputError(
                f"--replay {replay}: a record stands in for a model, and ran as it ran; leave out"
                " --model, --record, --tta, --zoom, --tf32, --threads, --size, --budget-ms,"
                " --backend, --device, --association, --core and --trust"
            )
        tracker = replaying(replay)
    else:
        tracker = open_tracker(model, options, sources)
    labels = class_set_of(tracker)
    check_kinds(kinds, labels)
    run = Run(place, kinds, select(classes, conf, labels), record, rerun, show)
    try:
        results = track_all(tracker, sources, run)
        if isinstance(tracker.backend, Replayer):
            tracker.backend.close()
    except ReplayMismatch as difference:
        typer.echo(printable(f"first difference from {replay}: {difference}"), err=True)
        raise typer.Exit(1) from None
    if replay:
        typer.echo(f"replayed {printable(str(replay))}: every frame as recorded, bit for bit")
    tell_results(results, sources, place)


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
