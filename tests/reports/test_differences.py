"""Differences, ranks and power from records: which images belong together, and which runs are compared."""

import numpy as np
import pytest

from lednet_mm.reports.differences import Difference, Differences, adjust_family, read_images
from lednet_mm.statistics import SCORES, adjust_holm, p_value, score_images, single_images
from tests.reports.made import CONFIG, accuracy, matrices

CAMVID = CONFIG.replace("'dataset': {", "'dataset': {'type': 'CamVidDataset', ")
NAMES = [f"Seq05VD_f{30 * i:05}.png" for i in range(20)]
FRAMES = [["drive", 30 * i] for i in range(20)]


def of(records, scores=("miou_percent",)) -> Differences:
    known = {f"accuracy-{record.id}": record for record in records}
    return Differences(lambda name: read_images(known[name]), scores)


def seeds(*records) -> dict:
    return {record.run.seed: f"accuracy-{record.id}" for record in records}


def compared(*records, **settings) -> Difference:
    """Compare two records of one seed."""
    variant, baseline = records
    return of(records).between(seeds(variant), seeds(baseline), **settings)


def test_a_record_says_which_images_belong_together():
    video = read_images(accuracy(per_image_frames=FRAMES))
    assert video.frames == tuple(("0", i) for i in range(20))
    assert read_images(accuracy(per_image_frames=[])).frames == single_images(20)
    found = compared(*(accuracy(quality=q, per_image_frames=FRAMES) for q in (0.9, 0.7)))
    assert found.sampling == "blocks of 6 consecutive frames within one sequence"
    found = compared(*(accuracy(quality=q, per_image_frames=[]) for q in (0.9, 0.7)))
    assert found.sampling == "single images"


def test_an_older_record_of_a_known_dataset_has_its_frames_by_their_names():
    older = accuracy(text=CAMVID, names=NAMES)
    assert read_images(older).frames == read_images(accuracy(per_image_frames=FRAMES)).frames
    # It goes with a new one of the same images.
    newer = accuracy(quality=0.9, names=NAMES, per_image_frames=FRAMES)
    assert compared(newer, older).sampling == "blocks of 6 consecutive frames within one sequence"
    # Names that are none of CamVid's are single images.
    assert read_images(accuracy(text=CAMVID)).frames == single_images(20)


def test_where_nothing_is_known_of_sequences_it_is_said():
    for settings in ({"names": NAMES}, {"text": CAMVID.replace("CamVid", "Other"), "names": NAMES}):
        assert read_images(accuracy(**settings)).frames is None
        found = compared(accuracy(quality=0.9, **settings), accuracy(**settings))
        assert found.sampling == "single images, as nothing is known of sequences"


def test_frames_of_other_images_are_a_damaged_record():
    with pytest.raises(ValueError, match="damaged record: 19 frames of 20 images"):
        read_images(accuracy(per_image_frames=FRAMES[1:]))
    with pytest.raises(ValueError, match="damaged record: 1 names of 20 images"):
        read_images(accuracy(names=["a.png"]))
    found = compared(accuracy(per_image_frames=FRAMES[1:]), accuracy())
    assert found.verdict == "no interval: damaged record: 19 frames of 20 images"
    assert found.sampling == ""


def test_records_that_differ_in_their_sequences_are_not_compared():
    assert compared(accuracy(per_image_frames=FRAMES), accuracy()).verdict == (
        "records differ in which images belong together"
    )
    runs = [
        accuracy(seed=s, names=[f"{s}{i}.png" for i in range(20)], quality=q)
        for q in (0.9, 0.8)
        for s in (0, 1)
    ]
    found = of(runs).between(seeds(*runs[:2]), seeds(*runs[2:]))
    assert found.verdict == "seeds tested on different images"


def test_dependent_images_make_an_interval_wider():
    """The errors of two networks are correlated over neighbouring frames."""

    def run(shift, **settings):
        record = accuracy(**settings)
        found = matrices(0.8)
        moved = np.minimum(np.diagonal(found, axis1=1, axis2=2), (shift * 20).astype(int)[:, None])
        for c in range(3):
            found[:, c, c] -= moved[:, c]
            found[:, c, (c + 1) % 3] += moved[:, c]
        from lednet_mm.evaluation.confusion import pack

        return record.model_copy(update={"details": {**record.details, "per_image_confusion": pack(found)}})

    stretches = np.repeat([0, 3, 0, 3], 5)
    widths = {}
    for name, frames in (("video", FRAMES), ("single", [])):
        interval = compared(
            run(stretches, per_image_frames=frames), run(0 * stretches, per_image_frames=frames)
        ).interval
        widths[name] = interval.high - interval.low
    assert widths["video"] > 1.5 * widths["single"]


def test_every_score_of_a_record_is_known_and_compared():
    records = [accuracy(quality=q, seed=s) for q in (0.9, 0.7) for s in (0, 1)]
    found = of(records, SCORES)
    name = f"accuracy-{records[0].id}"
    expected = score_images(matrices(0.9)) | {"miou_percent": records[0].values["miou_percent"]}
    assert found.scores(name) == pytest.approx(expected)
    for score in SCORES:
        difference = found.between(seeds(*records[:2]), seeds(*records[2:]), score)
        means = [
            np.mean([found.scores(f"accuracy-{r.id}")[score] for r in group])
            for group in (records[:2], records[2:])
        ]
        assert difference.interval.difference == pytest.approx(means[0] - means[1])
    assert of([void := accuracy(void=True)], SCORES).scores(f"accuracy-{void.id}") is None


def test_a_family_is_judged_together():
    """A difference that one comparison resolves by itself may be unresolved among many."""
    base = [accuracy(quality=0.8, seed=s) for s in range(4)]
    some = {
        q: [accuracy(quality=q, seed=s) for s in range(4)]
        for q in (0.6, 0.78, *(0.799 + i / 1e4 for i in range(6)))
    }
    found = of([*base, *(record for group in some.values() for record in group)])
    alone = [found.between(seeds(*group), seeds(*base)) for group in some.values()]
    alone.append(found.between({9: "none"}, seeds(*base)))
    assert [d.verdict for d in alone[:3]] == ["worse", "worse", "not resolved"]
    family = adjust_family(alone)
    assert [d.verdict_in_family for d in family] == ["worse", *["not resolved"] * 7, None]
    p_values = [p_value(d.spread) for d in alone[:-1]]
    np.testing.assert_allclose([d.adjusted_p for d in family[:-1]], adjust_holm(np.array(p_values)))
    assert [d.verdict_in_family for d in adjust_family(alone[:2])] == ["worse", "worse"]


def test_networks_are_ranked_on_the_seeds_that_all_have():
    good, fair, poor = ([accuracy(quality=q, seed=s) for s in (0, 1, 2)] for q in (0.9, 0.8, 0.6))
    found = of([*good, *fair, *poor])
    ranks = found.rank([seeds(*poor), seeds(*good), seeds(*fair[:2])])
    assert [rank.rank for rank in ranks] == [3, 1, 2]
    assert ranks[1].first > 0.9
    assert found.rank([seeds(poor[0]), seeds(good[1])]) is None
    other = accuracy(quality=0.9, names=NAMES)
    assert of([*poor, other]).rank([seeds(*poor), seeds(other)]) is None


def test_power_is_that_of_the_differences():
    runs = [accuracy(quality=q, seed=s) for q in (0.9, 0.7) for s in range(4)]
    found = of(runs)
    groups = seeds(*runs[:4]), seeds(*runs[4:])
    power = found.power(*groups, 100.0)
    assert power.seeds == 2
    interval = found.between(*groups).interval
    assert power.half_width == pytest.approx((interval.high - interval.low) / 2, rel=0.3)
    assert found.power(*groups, power.half_width / 1e6).seeds is None
    assert found.power(groups[0], {}, 1.0) is None
