"""Faults during a training, on resuming it, and in its work folder."""

from __future__ import annotations

from pathlib import Path

import torch

from lednet_mm.files import FolderLock
from tests.faults.place import NO_SHUFFLE, Fault, Place

NEW = ("run/**",)
SPLITS = ("train", "val", "test")
POKE = """
import sys
sys.path.insert(0, {folder!r})
custom_imports = dict(imports=["lednet_mm.register", "poke_hook"])
custom_hooks = [dict(type="PokeHook", priority="VERY_HIGH"), dict(type="SeedHook"), dict(type="RecordHook")]
"""
HOOK = """
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module(force=True)
class PokeHook(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == 3:
            with torch.no_grad():
                next(runner.model.parameters()).fill_(float("nan"))
"""


def resumed(*settings: str, options: tuple = (), longer: bool = True, **more):
    """Return the command that resumes the trained run, by default up to iteration 6, with settings."""

    def words(place: Place):
        place.run()
        changed = [*(["train_cfg.max_iters=6", "train_cfg.val_interval=6"] if longer else []), *settings]
        extra = ["--cfg-options", *changed] if changed else []
        return ("train", place.config(**more), "--work-dir", place / "run", "--resume", *options, *extra)

    return words


def nan_weights(place: Place):
    """Return a training whose weights become NaN in iteration 3, while the loss is still finite."""
    place.file("poke_hook.py", HOOK.encode())
    config = place.config(
        *POKE.format(folder=str(place.folder)).splitlines(),
        "default_hooks = dict(checkpoint=dict(interval=1), logger=dict(interval=4))",
        "train_cfg = dict(max_iters=3, val_interval=3)",
    )
    return ("train", config, "--work-dir", place / "run")


def finite_checkpoints(place: Place, outcome) -> None:
    """Check that the weights of every checkpoint are finite."""
    found = sorted((place / "run").glob("iter_*.pth"))
    assert found
    for path in found:
        state = torch.load(path, weights_only=True)["state_dict"]
        assert all(torch.isfinite(v).all() for v in state.values() if v.is_floating_point())


def no_new_checkpoint(place: Place, outcome) -> None:
    """Check that the folder's checkpoints are the same as before."""
    assert sorted(p.name for p in (place / "run").glob("*.pth")) == ["iter_2.pth", "iter_4.pth"]


def learning_rates(place: Place, outcome) -> None:
    """Check that a longer training continues to learn, and that its record has both parts."""
    (record,) = [r for r in place.records() if r["kind"] == "train" and r["values"]["iterations"] == 6]
    ranges = record["details"]["ranges"]
    assert [(part["from"], part["to"]) for part in ranges] == [(0, 4), (4, 6)]
    last = torch.load(place / "run" / "iter_6.pth", weights_only=True)["state_dict"]
    before = torch.load(place / "run" / "iter_4.pth", weights_only=True)["state_dict"]
    assert any(not torch.equal(last[name], before[name]) for name in last if name.endswith("conv.weight"))


def while_held(place: Place):
    """Hold the lock on the training's folder."""
    (place / "run").mkdir()
    lock = FolderLock.take(place / "run")
    place.__dict__["lock"] = lock  # held as long as the place exists
    return ("train", place.config(), "--work-dir", place / "run")


def with_file(name: str, content, *, resume: bool = True, keep: bool = True):
    """Resume up to iteration 6 in a folder with another file that has the name of a checkpoint."""

    def words(place: Place):
        run = place.run()
        target = run / name
        if callable(content):
            content(place, target)
        elif content is None:
            target.mkdir()
        else:
            target.write_bytes(content)
        if not keep:
            for path in run.glob("iter_[24].pth"):
                path.unlink()
        return (
            *("train", place.config(), "--work-dir", run),
            *(["--resume"] if resume else []),
            *("--cfg-options", "train_cfg.max_iters=6", "train_cfg.val_interval=6"),
        )

    return words


def changed(change):
    """Return a function that writes the trained checkpoint with changed content."""

    def write(place: Place, target) -> None:
        content = torch.load(place.trained / "iter_4.pth", weights_only=True)
        torch.save(change(content) or content, target)

    return write


def _began_nowhere(content: dict) -> None:
    content["message_hub"]["runtime_info"]["began_from"] = {"file": "../x" * 200}


def flipped(place: Place, target) -> None:
    """Write the trained checkpoint with one byte of its largest tensor changed."""
    data = bytearray((place.trained / "iter_4.pth").read_bytes())
    data[len(data) // 2] ^= 0x7F
    target.write_bytes(bytes(data))


def truncated(place: Place, target) -> None:
    """Write the first half of the trained checkpoint."""
    data = (place.trained / "iter_4.pth").read_bytes()
    target.write_bytes(data[: len(data) // 2])


def published(place: Place, target) -> None:
    """Write the weights alone, in half precision."""
    content = torch.load(place.trained / "iter_4.pth", weights_only=True)
    state = {k: v.half() if v.is_floating_point() else v for k, v in content["state_dict"].items()}
    torch.save({"state_dict": state, "meta": {}}, target)


def resumed_at(iteration: int):
    """Return a check that the training continued after an iteration."""

    def check(place: Place, outcome) -> None:
        (record,) = [r for r in place.records() if r["kind"] == "train" and r["values"]["iterations"] == 6]
        assert record["values"]["iterations_this_session"] == 6 - iteration

    return check


def fallback(what: str, content, name: str = "iter_5.pth") -> Fault:
    """Return a fault in which the newest checkpoint cannot be used, but the one before it can."""
    words = with_file(name, content)
    return Fault(what, "E", words, 0, says=(name,), changes=NEW, also=(resumed_at(4),))


def unreadable_numbers(place: Place, outcome) -> None:
    """Check that new checkpoints were kept although unreadable ones have higher numbers."""
    assert (place / "run" / "iter_6.pth").stat().st_size > 100_000
    assert (place / "run" / "iter_900.pth").read_bytes() == b"broken"


def wrapped(kind: str):
    """Return a training on a wrapped dataset."""

    def words(place: Place):
        load = "dict(type='LoadImage'), dict(type='LoadLabels')"
        pack = "dict(type='PackSegInputs')"
        inner = f"type='StreetsDataset', data_root={str(place.data_root())!r}, split='train'"
        whole = f"dict({inner}, pipeline=[{load}, {pack}])"
        dataset = {
            "RepeatDataset": f"type='RepeatDataset', times=3, dataset={whole}",
            "ConcatDataset": f"type='ConcatDataset', datasets=[{whole}, {whole}]",
            "mosaic": f"type='MultiImageMixDataset', dataset=dict({inner}, pipeline=[{load}]), pipeline=["
            "dict(type='RandomMosaic', prob=1.0, img_scale=(128, 64)), "
            f"dict(type='Resize', scale=(128, 64)), {pack}]",
        }[kind]
        line = f"train_dataloader = dict(batch_size=2, dataset=dict(_delete_=True, {dataset}))"
        return ("train", place.config(line), "--work-dir", place / "run")

    return words


def trained_to(iterations: int):
    """Return a check that the training reached its end."""

    def check(place: Place, outcome) -> None:
        records = [r for r in place.records() if r["kind"] == "train"]
        assert [r["values"]["iterations"] for r in records][-1] == iterations

    return check


def epochs(place: Place):
    """Return a training of 2 epochs with 3 iterations each."""
    line = "train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2, val_interval=1)"
    return ("train", place.config(line), "--work-dir", place / "run")


def variant(place: Place):
    """Resume the run with the config of a variant."""
    place.run()
    config = place.config(*NO_SHUFFLE)
    return (
        *("train", config, "--work-dir", place / "run", "--resume"),
        *("--cfg-options", "train_cfg.max_iters=6", "train_cfg.val_interval=6"),
    )


def default_streets(there: str):
    """Return a training on the default folder of generated streets, where a file or a link to nowhere is."""

    def words(place: Place):
        root = Path("data/streets")
        if there == "link":
            root.parent.mkdir()
            root.symlink_to("nowhere")
        else:
            Path("data").write_text("mine")
        config = place.config(*(f"{s}_dataloader['dataset'].update(data_root={str(root)!r})" for s in SPLITS))
        return ("train", config, "--work-dir", place / "run")

    return words


def one_channel(place: Place):
    """Return a training on grey images."""
    load = "dict(type='LoadImage', color_type='grayscale'), dict(type='LoadLabels')"
    crop = "dict(type='RandomCrop', crop_size=(64, 128))"
    pack = "dict(type='PackSegInputs')"
    return (
        "train",
        place.config(
            "model = dict(backbone=dict(in_channels=1), data_preprocessor=dict("
            "mean=[100.0], std=[50.0], bgr_to_rgb=False, size=(64, 128)))",
            f"train_dataloader = dict(batch_size=2, dataset=dict(data_root={str(place.streets)!r}, "
            f"pipeline=[dict(type='SeedAugmentation'), {load}, {crop}, {pack}]))",
            f"val_dataloader = dict(dataset=dict(data_root={str(place.streets)!r}, "
            f"pipeline=[{load}, {pack}]))",
        ),
        *("--work-dir", place / "run"),
    )


def refused_resume(what: str, words, *says: str) -> Fault:
    """Return a fault in which resuming must be refused."""
    return Fault(what, "A", words, says=says, changes=("run/lock",), also=(no_new_checkpoint,))


FAULTS = [
    Fault(
        "weights that stop being numbers",
        "A",
        nan_weights,
        says=("iter_2.pth", "3"),
        also=(finite_checkpoints,),
    ),
    Fault(
        "a loss that is no number",
        "A",
        lambda p: (
            *("train", p.config(), "--work-dir", p / "run"),
            *("--cfg-options", "optim_wrapper.optimizer.lr=1e30"),
        ),
        says=("the last good checkpoint",),
    ),
    Fault(
        "an earlier run in the work folder",
        "B",
        lambda p: ("train", p.config(), "--work-dir", p.run()),
        says=("--resume", "iter_4.pth"),
        changes=("run/lock",),
    ),
    Fault(
        "a file where the generated streets would be put",
        "B",
        default_streets("file"),
        says=("data: ", "a file stands where a folder is needed"),
    ),
    Fault(
        "a link that leads nowhere in the place of the generated streets",
        "B",
        default_streets("link"),
        says=("data/streets", "is missing", "prepare_dataset.py streets"),
    ),
    Fault("another process in the work folder", "B", while_held, says=("process",), changes=("run/lock",)),
    Fault(
        "a file where the work folder should be",
        "G",
        lambda p: ("train", p.config(), "--work-dir", p.file()),
        says=("file",),
    ),
    Fault(
        "a work folder below a file",
        "G",
        lambda p: ("train", p.config(), "--work-dir", p.file() / "below"),
        says=("file",),
    ),
    Fault("a training that is made longer", "A", resumed(), 0, changes=NEW, also=(learning_rates,)),
    refused_resume(
        "a resume that is to begin from other weights",
        lambda p: resumed(options=("--pretrained", p.weights()))(p),
        "--pretrained",
        "iter_4.pth",
    ),
    fallback("a checkpoint that tells nonsense of where its run began", changed(_began_nowhere)),
    refused_resume("a resume with another seed", resumed(options=("--seed", 5)), "seed"),
    refused_resume(
        "a resume at another learning rate", resumed("optim_wrapper.optimizer.lr=0.5"), "optimizer.lr"
    ),
    refused_resume(
        "a resume with another batch size", resumed("train_dataloader.batch_size=3"), "batch_size"
    ),
    refused_resume(
        "a resume with another crop",
        resumed("train_dataloader.dataset.pipeline.3.crop_size=(32,64)"),
        "pipeline",
    ),
    refused_resume("a resume with other class weights", resumed("model.class_weight=None"), "class_weight"),
    refused_resume(
        "a resume to fewer iterations", resumed("train_cfg.max_iters=3", longer=False), "max_iters"
    ),
    refused_resume("a resume of another variant", variant, "variant"),
    Fault(
        "a resume with other intervals and data in another place",
        "E",
        lambda p: resumed(
            "default_hooks.logger.interval=2",
            *(f"{split}_dataloader.dataset.data_root={p.data()}" for split in ("train", "val", "test")),
        )(p),
        0,
        changes=NEW,
        also=(trained_to(6),),
    ),
    fallback("a newest checkpoint that is truncated", truncated),
    fallback("a newest checkpoint with a changed byte", flipped),
    fallback("a newest checkpoint of 0 bytes", b""),
    fallback("a newest checkpoint that is text", b"not a checkpoint"),
    fallback("a published file as the newest checkpoint", published),
    fallback("a newest checkpoint without meta", changed(lambda c: {"state_dict": c["state_dict"]})),
    fallback("a newest checkpoint whose meta is a list", changed(lambda c: {**c, "meta": [1]})),
    fallback(
        "a newest checkpoint without an optimiser",
        changed(lambda c: {k: v for k, v in c.items() if k != "optimizer"}),
    ),
    fallback(
        "a newest checkpoint whose optimiser has no groups",
        changed(lambda c: {**c, "optimizer": {**c["optimizer"], "param_groups": []}}),
    ),
    fallback("a newest checkpoint of tensors with numbers for names", changed(lambda c: {1: torch.zeros(2)})),
    fallback(
        "a newest checkpoint with NaN",
        changed(lambda c: c["state_dict"][next(iter(c["state_dict"]))].fill_(float("nan")) is None or c),
    ),
    Fault(
        "a folder with a checkpoint's name",
        "E",
        with_file("iter_5.pth", None),
        0,
        changes=NEW,
        also=(resumed_at(4),),
    ),
    Fault(
        "a folder in which no checkpoint can be read",
        "B",
        with_file("iter_5.pth", b"broken", keep=False),
        0,
        says=("iter_5.pth", "starting from 0"),
        changes=("run/lock", "run/*.py", "run/last_checkpoint"),
        also=(trained_to(6),),
    ),
    Fault(
        "unreadable checkpoints of higher numbers",
        "B",
        with_file("iter_900.pth", b"broken"),
        0,
        changes=NEW,
        also=(unreadable_numbers,),
    ),
    Fault("a repeated dataset", "E", wrapped("RepeatDataset"), 0, also=(trained_to(4),)),
    Fault("two datasets as one", "E", wrapped("ConcatDataset"), 0, also=(trained_to(4),)),
    Fault("mosaics of several images", "E", wrapped("mosaic"), 0, also=(trained_to(4),)),
    Fault("a training by epochs", "E", epochs, 0, also=(trained_to(6),)),
    Fault("images of one channel", "E", one_channel, 0, also=(trained_to(4),)),
    Fault(
        "a resume without an earlier run",
        "E",
        lambda p: ("train", p.config(), "--work-dir", p / "run", "--resume"),
        0,
        says=("nothing to resume",),
        also=(trained_to(4),),
    ),
]
