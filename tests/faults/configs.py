"""Mistakes in configs and options."""

from __future__ import annotations

from tests.faults.place import Fault, Place


def setting(*settings: str, **more):
    """Return the command of a training with these settings."""

    def words(place: Place):
        return ("train", place.config(), "--work-dir", place / "run", "--cfg-options", *settings)

    return words


def option(*options: object):
    """Return the command of a training with these options."""
    return lambda place: ("train", place.config(), "--work-dir", place / "run", *options)


def lines(*text: str):
    """Return the command of a training whose config has further lines."""
    return lambda place: ("train", place.config(*text), "--work-dir", place / "run")


def written(name: str, content: str | bytes):
    """Return the command of a training whose config is this file; ``EXECUTED`` stands for the file's path."""

    def words(place: Place):
        data = content.encode() if isinstance(content, str) else content
        path = place.file(name, data.replace(b"EXECUTED", str(place.executed).encode()))
        return ("train", path, "--work-dir", place / "run")

    return words


def not_started(place: Place, outcome) -> None:
    """Check that no training began."""
    assert not list((place / "run").glob("*.pth"))
    assert not list((place / "run").glob("records/*"))


def refused(what: str, words, *says: str, kind: str = "G") -> Fault:
    """Return a fault that must end before the training starts."""
    return Fault(what, kind, words, says=says, also=(not_started,))


FAULTS = [
    refused(
        "a dataset type that does not exist", setting("train_dataloader.dataset.type=MyDataset"), "MyDataset"
    ),
    refused("a backbone that does not exist", setting("model.backbone.type=MyNet"), "MyNet"),
    refused("an argument that a backbone has not", setting("model.backbone.depth=18"), "depth"),
    refused("a head that does not exist", setting("model.decode_head.type=NoHead"), "NoHead"),
    refused("a loss that does not exist", setting("model.decode_head.loss_decode.type=NoLoss"), "NoLoss"),
    refused("an activation that does not exist", setting("model.backbone.act_cfg.type=Swishy"), "Swishy"),
    refused(
        "a transform that does not exist", lines("train_pipeline.insert(1, dict(type='Wobble'))"), "Wobble"
    ),
    refused("a sampler that does not exist", setting("train_dataloader.sampler.type=NoSampler"), "NoSampler"),
    refused("an optimiser that does not exist", setting("optim_wrapper.optimizer.type=Adamm"), "Adamm"),
    refused("a hook that does not exist", lines("custom_hooks = [dict(type='NoHook')]"), "NoHook"),
    refused("a metric that does not exist", setting("val_evaluator.type=NoMetric"), "NoMetric"),
    refused("an optimiser's argument that does not exist", setting("optim_wrapper.optimizer.lrr=1"), "lrr"),
    refused("a learning rate that is text", setting("optim_wrapper.optimizer.lr=abc"), "abc"),
    refused("a negative learning rate", setting("optim_wrapper.optimizer.lr=-1"), "lr"),
    refused("no iterations", setting("train_cfg.max_iters=0"), "max_iters"),
    refused("a negative number of iterations", setting("train_cfg.max_iters=-3"), "max_iters"),
    refused("a number of iterations that is text", setting("train_cfg.max_iters=many"), "max_iters"),
    refused("a validation every 0 iterations", setting("train_cfg.val_interval=0"), "val_interval"),
    refused("a misspelt setting", setting("train_cfg.max_iter=5"), "max_iter", "max_iters"),
    refused("a setting that nothing reads", setting("no_such_key=1"), "no_such_key"),
    refused("a misspelt group of settings", setting("optimwrapper.optimizer.lr=1"), "optimwrapper"),
    refused("a log every 0 iterations", setting("default_hooks.logger.interval=0"), "interval"),
    refused("a checkpoint every 0 iterations", setting("default_hooks.checkpoint.interval=0"), "interval"),
    refused("a batch of no images", setting("train_dataloader.batch_size=0"), "batch_size"),
    refused(
        "a batch of one image, with normalisation of pooled maps",
        setting("train_dataloader.batch_size=1"),
        "batch",
    ),
    refused(
        "too few outputs for the dataset",
        setting("model.num_classes=5", "model.class_weight=None"),
        "5",
        "19",
    ),
    refused(
        "too many outputs for the dataset",
        setting("model.num_classes=25", "model.class_weight=None"),
        "25",
        "19",
    ),
    refused("outputs and class weights that differ", setting("model.num_classes=12"), "12"),
    refused("two class weights for 19 classes", setting("model.class_weight=[1.0,2.0]"), "class_weight"),
    refused("a setting without a value", option("--cfg-options", "foo"), "foo", "KEY=VALUE"),
    refused("a list that does not end", option("--cfg-options", "model.class_weight=[1,2"), "class_weight"),
    refused("a negative seed", option("--seed", -1), "seed"),
    refused("a seed that is text", option("--seed", "one"), "--seed"),
    refused("distributed training without torchrun", option("--launcher", "pytorch"), "dist_train.sh"),
    refused(
        "a config that does not exist", lambda p: ("train", p / "no.py", "--work-dir", p / "run"), "no.py"
    ),
    refused("a folder as a config", lambda p: ("train", p.folder, "--work-dir", p / "run"), "no such config"),
    refused("an empty config", written("empty.py", ""), "empty.py", "model"),
    refused("a config with a syntax error", written("bad.py", "model = dict(type=\n"), "bad.py"),
    refused(
        "a config whose error has three lines",
        written("m.py", "raise ValueError('one\\ntwo\\nthree')\n"),
        "one",
    ),
    refused("a config that ends the program", written("x.py", "import sys\nsys.exit(0)\n"), "x.py"),
    refused(
        "a config with a base that is not there", written("b.py", "_base_ = 'nowhere.py'\n"), "nowhere.py"
    ),
    refused("a config that is its own base", written("b.py", "_base_ = 'b.py'\n"), "b.py takes b.py"),
    refused("a config that is not UTF-8", written("u.py", b"x = '\xff'\n"), "u.py"),
    refused(
        "a config that imports what is not there",
        written("i.py", "import no_such_module\n"),
        "i.py",
    ),
    refused(
        "a YAML config that runs code",
        written("evil.yaml", 'model: !!python/object/apply:os.system ["touch EXECUTED"]\n'),
        "evil.yaml",
        kind="C",
    ),
    refused("a JSON config", written("c.json", '{"model": {}}'), "c.json"),
    refused("a picture as a config", written("c.py", b"\x89PNG\r\n\x1a\n\0\0\0"), "c.py"),
    refused("a model that is text", setting("model=lednet"), "model"),
    refused("a dataset that is text", setting("train_dataloader.dataset=camvid"), "dataset"),
    refused("a schedule that does not exist", setting("param_scheduler.0.type=NoSchedule"), "NoSchedule"),
    refused("no training data in the config", lines("train_dataloader = None"), "train_dataloader"),
    Fault(
        "loader options that need processes, on a CPU",
        "G",
        setting("train_dataloader.prefetch_factor=4", "train_dataloader.timeout=30"),
        status=0,
    ),
    Fault("a path with spaces in a setting", "H", lambda p: _spaces(p), status=0),
    Fault(
        "an option of the tool that does not exist", "G", option("--itterations", 3), says=("--itterations",)
    ),
]


def _spaces(place: Place):
    data = place.data().rename(place / "my own  streets")
    splits = [f"{split}_dataloader.dataset.data_root={data}" for split in ("train", "val", "test")]
    return ("train", place.config(), "--work-dir", place / "run", "--cfg-options", *splits)
