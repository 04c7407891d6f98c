"""A training in two stages by one command, killed in each, ends with the weights of one undisturbed."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from PIL import Image

from lednet_mm.checkpoints.listing import checkpoints_of
from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import Choice, config_text, load_config
from lednet_mm.errors import InputError
from lednet_mm.files import file_sha256
from lednet_mm.networks.heads import EncoderHead
from lednet_mm.records import read_records
from lednet_mm.training.training import train
from tests.conftest import ROOT
from tests.datasets.small_sets import make_camvid
from tests.training.small import small

TWO = "lednet_authors_two_stages"
CHOICE = Choice("lednet", "camvid", TWO)


@pytest.fixture
def on_camvid(tmp_path):
    """The options of a small training of LEDNet on a CamVid of random images."""
    return small(CHOICE, make_camvid(tmp_path / "camvid"), shape=(24, 32), iterations=3)


def weights(folder, iteration):
    return read_checkpoint(folder / f"iter_{iteration}.pth")["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def record_of(folder):
    """Return the newest record of the training in a folder, and not of a stage before it."""
    records, problems = read_records([folder / "records"])
    assert problems == {}
    return [record for record in records if record.kind == "train"][-1]


def kill_after(path, arguments):
    """Run the command and end it with SIGKILL as soon as a file is there."""
    process = subprocess.Popen(
        [sys.executable, "tools/train.py", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < end
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.thorough
def test_killed_in_both_stages_it_ends_with_the_same_weights(on_camvid, tmp_path, one_thread):
    train(CHOICE, work_dir=tmp_path / "whole", options=on_camvid, seed=3)

    cut = tmp_path / "cut"
    settings = [f"{key}={value}" for key, value in on_camvid.items()]
    arguments = ["lednet", "--dataset", "camvid", "--recipe", TWO, "--work-dir", str(cut), "--seed", "3"]
    arguments += ["--resume", "--cfg-options", *settings]
    kill_after(cut / "earlier_stage" / "iter_1.pth", arguments)
    assert not checkpoints_of(cut)
    kill_after(cut / "iter_1.pth", arguments)
    assert not (cut / "records").exists()
    train(CHOICE, work_dir=cut, options=on_camvid, seed=3, resume=True)

    assert same(weights(tmp_path / "whole" / "earlier_stage", 3), weights(cut / "earlier_stage", 3))
    assert same(weights(tmp_path / "whole", 3), weights(cut, 3))
    began = record_of(cut).details["began_from"]
    assert began["sha256"] == file_sha256(cut / "earlier_stage" / "iter_3.pth")
    encoder = [name for name in weights(cut, 3) if name.startswith("backbone.") and "num_batches" not in name]
    assert began["tensors_loaded"] == len(encoder)
    assert record_of(cut).run.variant.endswith(f"+{TWO}")
    assert record_of(cut / "earlier_stage").run.variant.endswith("+lednet_authors_encoder")


@pytest.fixture
def first_done(on_camvid, tmp_path, one_thread):
    """A training that was cut off between its two stages."""
    run = tmp_path / "run"
    options = {**on_camvid, "train_cfg.max_iters": 1}
    alone = {key: value for key, value in options.items() if not key.startswith("earlier_stage")}
    encoder = Choice("lednet", "camvid", "lednet_authors_encoder")
    train(encoder, work_dir=run / "earlier_stage", options=alone)
    return CHOICE, run, options


@pytest.mark.thorough
def test_a_finished_first_stage_is_not_trained_again(first_done):
    choice, run, options = first_done
    before = {path: path.read_bytes() for path in (run / "earlier_stage").rglob("*.*") if path.is_file()}
    with pytest.raises(InputError, match="checkpoints of an earlier run"):
        train(choice, work_dir=run, options=options)
    with pytest.raises(InputError, match="leave one of the two options out"):
        train(choice, work_dir=run, options=options, resume=True, pretrained="x.pth")
    changed = {**options, "optim_wrapper.optimizer.lr": 0.5}
    with pytest.raises(
        InputError, match=r"iter_1\.pth was trained under another config .*lr = 0.0005, now 0"
    ):
        train(choice, work_dir=run, options=changed, resume=True)
    train(choice, work_dir=run, options=options, resume=True)
    assert all(path.read_bytes() == content for path, content in before.items())
    # Once the second stage has begun, the first is over, whatever happens to its files.
    (run / "earlier_stage" / "iter_1.pth").unlink()
    longer = {"train_cfg.max_iters": 2, "earlier_stage.train_cfg.max_iters": 1}
    train(choice, work_dir=run, options={**options, **longer}, resume=True)
    assert record_of(run).values["iterations"] == 2
    assert record_of(run).details["began_from"]["file"] == "iter_1.pth"
    with pytest.raises(InputError, match=r"earlier_stage\.train_cfg\.max_iters = 1, now 2"):
        train(choice, work_dir=run, options={**options, "train_cfg.max_iters": 2}, resume=True)


@pytest.mark.thorough
def test_weights_that_are_gone_are_missed(first_done):
    choice, run, options = first_done
    train(choice, work_dir=run, options=options, resume=True)
    (run / "earlier_stage" / "iter_1.pth").unlink()
    (run / "iter_1.pth").write_bytes(b"damaged")
    with pytest.raises(InputError, match="the weights of this stage, which are gone"):
        train(choice, work_dir=run, options=options, resume=True)


def test_the_config_of_two_stages_holds_both():
    choice = Choice("lednet", "cityscapes", TWO, "no_apn")
    options = {
        "optim_wrapper.optimizer.lr": 1.0,
        "model.decode_head.bias": False,
        "earlier_stage.train_cfg.max_iters": 7,
    }
    config = load_config(choice, options, seed=5)
    first = config.earlier_stage
    assert (first.recipe, config.recipe) == ("lednet_authors_encoder", TWO)
    assert first.model.decode_head == {"type": "EncoderHead", "in_channels": None, "align_corners": True}
    assert config.model.decode_head == {"type": "APNHead", "attention_pyramid": False, "bias": False}
    assert first.optim_wrapper.optimizer.lr == config.optim_wrapper.optimizer.lr == 1.0
    assert first.randomness.seed == config.randomness.seed == 5
    assert (first.train_cfg.max_iters, config.train_cfg.max_iters) == (7, 300 * 595)
    assert "change" not in config
    alone = load_config(Choice("lednet", "cityscapes", "lednet_authors_encoder"), {"train_cfg.max_iters": 7})
    assert alone.model == first.model
    with pytest.raises(InputError, match="this recipe has no earlier stage"):
        load_config(Choice("lednet", "cityscapes"), {"earlier_stage.train_cfg.max_iters": 7})


def test_a_resolved_config_of_two_stages_is_read_as_it_is(tmp_path):
    config = load_config(Choice("lednet", "cityscapes", TWO), {"train_cfg.max_iters": 7})
    (tmp_path / "whole.py").write_text(config_text(config))
    assert config_text(load_config(tmp_path / "whole.py")) == config_text(config)


def test_the_class_weights_of_both_stages_are_the_authors():
    # github.com/xiaoyufenfei/LEDNet, train/main.py, weight[0] to weight[18] with enc=True and enc=False.
    encoder = (
        *(2.3653597831726, 4.4237880706787, 2.9691488742828, 5.3442072868347, 5.2983593940735),
        *(5.2275490760803, 5.4394111633301, 5.3659925460815, 3.4170460700989, 5.2414722442627),
        *(4.7376127243042, 5.2286224365234, 5.455126285553, 4.3019247055054, 5.4264230728149),
        *(5.4331531524658, 5.433765411377, 5.4631009101868, 5.3947434425354),
    )
    decoder = (
        *(2.8149201869965, 6.9850029945374, 3.7890393733978, 9.9428062438965, 9.7702074050903),
        *(9.5110931396484, 10.311357498169, 10.026463508606, 4.6323022842407, 9.5608062744141),
        *(7.8698215484619, 9.5168733596802, 10.373730659485, 6.6616044044495, 10.260489463806),
        *(10.287888526917, 10.289801597595, 10.405355453491, 10.138095855713),
    )
    config = load_config(Choice("lednet", "cityscapes", TWO))
    assert config.earlier_stage.model.class_weight == pytest.approx(encoder, abs=5e-5)
    assert config.model.class_weight == pytest.approx(decoder, abs=5e-5)


def test_the_encoder_learns_from_labels_that_are_reduced_as_pillow_reduces_them():
    head = EncoderHead(4, num_classes=20, align_corners=True, loss_decode={"type": "WeightedCrossEntropy"})
    ids = torch.randint(0, 20, (2, 40, 64), generator=torch.Generator().manual_seed(0)).where(
        torch.rand(2, 40, 64, generator=torch.Generator().manual_seed(1)) > 0.2, 255
    )
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label[None])) for label in ids]
    maps = torch.randn(2, 4, 5, 8)
    reduced = [
        Image.fromarray(label.byte().numpy()).resize((8, 5), Image.Resampling.NEAREST) for label in ids
    ]
    target = torch.stack([torch.from_numpy(np.array(image, dtype=np.int64)) for image in reduced])
    expected = torch.nn.functional.cross_entropy(head((maps,)), target, ignore_index=255)
    losses = head.loss((maps,), samples, {})
    torch.testing.assert_close(losses["loss_ce"], expected)


@pytest.mark.parametrize(("network", "channels"), [("lednet", 128), ("dabnet", 259), ("bisenetv2", None)])
def test_the_encoder_of_any_network_gets_a_head_of_its_width(network, channels):
    from tests.networks.base import without_values

    model = without_values(load_config(Choice(network, "camvid", "lednet_authors_encoder")).model)
    maps = model.eval().extract_feat(torch.empty(1, 3, 64, 64, device="meta"))
    assert model.decode_head.in_channels == maps[-1].shape[1] == (channels or maps[-1].shape[1])
    assert not model.with_auxiliary_head
