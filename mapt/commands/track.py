"""`mapt track`: label videos, folders of frames, cameras, streams, bags and datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from mapt.errors import InputError, printable, suggest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mapt.io.sources.frame import Source
    from mapt.runtime import PanopticTracker


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
            " ROS bag, MCAP, or - for standard input",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="folder of the outputs, else a new one: runs/track, runs/track2"
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option("--model", help="a bundle, or weights for the PyTorch reference")
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
        str | None, typer.Option("--size", help="network input HxW, with weights only")
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
    from mapt.app.outputs.kinds import check_kinds, parse_kinds
    from mapt.app.selection import select
    from mapt.app.track_run import Run, track_all
    from mapt.app.track_source import class_set_of
    from mapt.commands._shared.size import check_rate
    from mapt.commands._shared.track_summary import tell_results
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
    sources = open_named(
        source,
        SourceOptions(
            fps=fps,
            sequences=names,
            topic=topic,
            selection=selection_of(start, end, stride, max_frames),
            patience=reconnect,
            announce=lambda text: typer.echo(printable(text), err=True),
        ),
    )
    place = context.with_resource(run_folder(out, "track"))
    _check_outputs(place, sources, kinds, record, rerun)
    if replay:
        ours = (backend, device, association) != ("auto", "auto", "full")
        if model or record or tta or tf32 or threads or size or ours or trust is not None:
            raise InputError(
                f"--replay {replay}: a record stands in for a model, and ran as it ran; leave out"
                " --model, --record, --tta, --tf32, --threads, --size, --backend, --device,"
                " --association and --trust"
            )
        tracker = replaying(replay)
    elif model:
        tracker = open_tracker(
            model, threads, association, size, backend, tta, device, tf32, trust=trust
        )
    else:
        raise InputError("--model: is missing; give a bundle or weights, or a record with --replay")
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


def replaying(path: Path) -> PanopticTracker:
    """Create a tracker that replays a record in place of a network.

    Raises:
        InputError: no record, or a damaged one.
    """
    from mapt.runtime import PanopticTracker
    from mapt.runtime.persistence.recording import Replayer

    backend = Replayer(path)
    association = backend.association
    return PanopticTracker(backend, association, backend.max_objects)  # type: ignore[arg-type]


def open_tracker(
    model: Path,
    threads: int | None = None,
    association: str = "full",
    size: str | None = None,
    backend: str = "auto",
    tta: bool = False,
    device: str = "auto",
    tf32: bool = False,
    *,
    trust: Path | None = None,
) -> PanopticTracker:
    """Open a tracker on a bundle's folder or, with PyTorch, on a weight file.

    Raises:
        InputError: neither, or an option that does not fit it.
    """
    from mapt.commands._shared.size import network_size
    from mapt.runtime import PanopticTracker
    from mapt.runtime.association.tracks import Association

    known = get_args(Association)
    if association not in known:
        raise InputError(f"--association {association}: unknown; {suggest(association, known)}")
    if model.is_dir():
        if size:
            raise InputError(
                "--size: a bundle has one size; export another with `mapt export WEIGHTS --size`"
            )
        if tta:
            raise InputError(
                "--tta: needs weights, a bundle has one size; give a .safetensors file with --model"
            )
        return PanopticTracker.load(
            model,
            backend,  # type: ignore[arg-type]
            threads,
            association,  # type: ignore[arg-type]
            trust=trust,
            device=device,  # type: ignore[arg-type]
            tf32=tf32,
        )
    if trust is not None:
        raise InputError(
            "--trust: is for bundles, weights are not signed; make one with `mapt export --sign`"
        )
    if tf32:
        raise InputError("--tf32: is for bundles; the PyTorch reference computes in float32")
    if backend != "auto":
        raise InputError(
            f"--backend {backend}: weights run in PyTorch; make a bundle with `mapt export`"
        )
    if not model.exists():
        raise InputError(f"{model}: no such bundle or weights; make a bundle with `mapt export`")
    try:
        from mapt.evaluation.device import describe_device, find_device
        from mapt.evaluation.test_time_scales import ScaledBackend
        from mapt.evaluation.torch_backend import TorchBackend
    except ImportError:
        raise InputError(
            f"{model}: weights need PyTorch; install mapt[train], or track with a bundle"
        ) from None
    place = find_device(device)
    reference = (ScaledBackend if tta else TorchBackend).load(
        model, network_size(size), threads, place
    )
    typer.echo(f"PyTorch on {describe_device(place)}")
    return PanopticTracker(reference, association)  # type: ignore[arg-type]
