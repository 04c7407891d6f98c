"""A network learns from a teacher: the losses by value, what stays out of its weights, and exact resume."""

import shutil

import pytest
import torch
from mmseg.registry import MODELS
from torch.nn import functional as F

from lednet_mm.checkpoints.reading import read_checkpoint
from lednet_mm.config import Choice, load_config
from lednet_mm.errors import InputError
from lednet_mm.training.distillation import Teacher, attention_distance, divergence
from lednet_mm.training.training import train
from tests.training.small import small


def test_the_divergence_by_hand():
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(2, 5, 4, 6, generator=generator).double().requires_grad_()
    teacher = torch.randn(2, 5, 4, 6, generator=generator).double()
    ours = divergence(student, teacher, 3.0)
    p, q = torch.softmax(teacher / 3, 1), torch.softmax(student / 3, 1)
    torch.testing.assert_close(ours, 9 * (p * (p / q).log()).sum(1).mean())
    (gradient,) = torch.autograd.grad(ours, student)
    torch.testing.assert_close(gradient, 3 * (q - p).detach() / 48)  # Hinton et al., equation 2
    assert divergence(teacher, teacher, 3.0).abs() < 1e-12


def test_the_distance_of_attention_maps_by_hand():
    student = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # 2 channels of 1x2
    teacher = torch.tensor([[[[0.0, 3.0]]]])  # 1 channel
    own = torch.tensor([5.0, 10.0]) / 125**0.5
    expected = (own[0] - 0) ** 2 + (own[1] - 1) ** 2
    torch.testing.assert_close(attention_distance(student, teacher), expected)
    assert attention_distance(7 * student, student).abs() < 1e-6


def built(network, recipe="common", **preprocessing):
    config = load_config(Choice(network, "streets", recipe))
    config.model.data_preprocessor.update(preprocessing)
    torch.manual_seed(1)
    return MODELS.build(config.model).eval()


def test_a_teacher_sees_images_in_its_own_preparation():
    student, model = built("lednet"), built("dabnet", "lednet_authors", bgr_to_rgb=False)
    raw = [torch.randint(0, 256, (3, 128, 256), dtype=torch.uint8) for _ in range(2)]
    seen = [
        one.data_preprocessor({"inputs": raw, "data_samples": None}, False)["inputs"]
        for one in (student, model)
    ]
    teacher = Teacher(model, student.data_preprocessor, logits=1.0, features=1.0, temperature=4.0)
    torch.testing.assert_close(teacher.as_teacher_sees(seen[0]), seen[1], rtol=0, atol=1e-5)
    with torch.no_grad():
        maps = student.extract_feat(seen[0])
        logits = student.decode_head.forward(maps)
        losses = teacher(seen[0], maps, logits)
        theirs = model.extract_feat(seen[1])
        answer = model.decode_head.forward(theirs)
        answer = F.interpolate(answer, logits.shape[2:], mode="bilinear")
    torch.testing.assert_close(losses["loss_logits"], divergence(logits, answer, 4.0))
    torch.testing.assert_close(losses["loss_features"], attention_distance(maps[-1], theirs[-1]))


@pytest.fixture
def teacher(small_streets, tmp_path):
    """Options that name a DABNet with random weights as the teacher."""
    path = tmp_path / "teacher.pth"
    torch.save({"state_dict": built("dabnet").state_dict()}, path)
    return {
        "default_hooks.distillation.teacher": "dabnet",
        "default_hooks.distillation.checkpoint": str(path),
    }


@pytest.mark.thorough
@pytest.mark.parametrize("option", ["distill", "distill_features"])
@pytest.mark.parametrize("network", ["lednet", "dabnet"])
def test_it_resumes_to_the_same_bits_and_leaves_a_plain_network(
    option, network, teacher, small_streets, tmp_path, one_thread
):
    choice = Choice(network, "streets", f"common+{option}")
    options = {**small(choice, small_streets), **teacher}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train(choice, work_dir=whole, options=options)
    cut.mkdir()
    shutil.copy(whole / "iter_1.pth", cut)
    train(choice, work_dir=cut, options=options, resume=True)
    ours, theirs = (read_checkpoint(run / "iter_2.pth")["state_dict"] for run in (cut, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    plain = Choice(network, "streets")
    options_of_plain = {key: value for key, value in options.items() if "distillation" not in key}
    assert theirs.keys() == MODELS.build(load_config(plain, options_of_plain).model).state_dict().keys()
    train(plain, work_dir=tmp_path / "plain", options=options_of_plain)
    alone = read_checkpoint(tmp_path / "plain" / "iter_2.pth")["state_dict"]
    assert not all(torch.equal(theirs[name], alone[name]) for name in alone)


@pytest.mark.thorough
def test_another_teacher_does_not_continue_a_run(teacher, small_streets, tmp_path):
    choice = Choice("lednet", "streets", "common+distill")
    options = {**small(choice, small_streets, iterations=1), **teacher}
    train(choice, work_dir=tmp_path / "run", options=options)
    torch.manual_seed(5)
    other = MODELS.build(load_config(Choice("dabnet", "streets")).model)
    torch.save({"state_dict": other.state_dict()}, tmp_path / "teacher.pth")
    with pytest.raises(InputError, match=r"teacher\.pth has changed since this run began"):
        train(choice, work_dir=tmp_path / "run", options={**options, "train_cfg.max_iters": 2}, resume=True)


def test_what_does_not_fit_is_one_line(teacher, small_streets, tmp_path):
    choice = Choice("lednet", "streets", "common+distill")
    options = small(choice, small_streets)
    with pytest.raises(InputError, match="distillation needs a teacher"):
        train(choice, work_dir=tmp_path / "none", options=options)
    seven = {"model.num_classes": 7, "model.class_weight": None}
    torch.save(
        {"state_dict": MODELS.build(load_config(Choice("dabnet", "streets"), seven).model).state_dict()},
        tmp_path / "seven.pth",
    )
    (tmp_path / "seven.py").write_text(
        "model = dict(type='Segmentor', num_classes=7, backbone=dict(type='DABNet'),\n"
        "    decode_head=dict(type='ClassifierHead', in_channels=259))\n"
    )
    named = {"teacher": str(tmp_path / "seven.py"), "checkpoint": str(tmp_path / "seven.pth")}
    settings = {f"default_hooks.distillation.{key}": value for key, value in named.items()}
    with pytest.raises(InputError, match="has 7 outputs, and this network 19"):
        train(choice, work_dir=tmp_path / "seven", options={**options, **settings})
