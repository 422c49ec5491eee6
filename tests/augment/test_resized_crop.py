import numpy as np
import pytest
import torch

from tagging.augment.resized_crop import ResizedCrop, ResizedCropDraws
from tests.reference.views import resized_crop


def draw(count: int, scale=(0.8, 1.0), ratio=(1.7, 2.3), prob=1.0) -> ResizedCropDraws:
    return ResizedCrop(prob, *scale, *ratio).draw(count, 128, 256, torch.Generator().manual_seed(0))


def apply(views: torch.Tensor, draws: ResizedCropDraws) -> torch.Tensor:
    return ResizedCrop(1.0, 0.8, 1.0, 1.7, 2.3).apply(views, draws)


def box_at(*boxes: tuple[int, int, int, int], rows: list[int]) -> ResizedCropDraws:
    top, left, height, width = torch.tensor(boxes).T
    return ResizedCropDraws(torch.tensor(rows), top, left, height, width)


def smooth_views(count: int) -> torch.Tensor:
    return torch.rand(count, 128, 256, generator=torch.Generator().manual_seed(0)) * 80 - 80


def test_equals_pillow_at_corners_and_within():
    views = smooth_views(5)
    boxes = [(0, 0, 128, 256), (0, 0, 101, 198), (27, 58, 101, 198), (13, 20, 110, 230)]
    resized = apply(views.clone(), box_at(*boxes, rows=[0, 1, 3, 4]))
    for row, box in zip([0, 1, 3, 4], boxes, strict=True):
        np.testing.assert_allclose(resized[row].numpy(), resized_crop(views[row].numpy(), *box), atol=1e-4)
    assert torch.equal(resized[2], views[2])


def test_equals_interpolate_of_the_box():
    views = smooth_views(1)
    resized = apply(views.clone(), box_at((5, 9, 108, 215), rows=[0]))
    box = views[None, :, 5:113, 9:224]
    expected = torch.nn.functional.interpolate(box, size=(128, 256), mode="bilinear", align_corners=False)
    torch.testing.assert_close(resized, expected[0], atol=1e-3, rtol=0)


def test_whole_view_and_no_view_stay_as_they_are():
    views = smooth_views(2)
    assert torch.equal(apply(views.clone(), box_at((0, 0, 128, 256), rows=[1])), views)
    assert torch.equal(apply(views.clone(), draw(2, prob=0.0)), views)


@pytest.mark.parametrize(
    ("scale", "ratio", "mean_width", "mean_height", "least_width", "least_height"),
    [
        ((0.8, 1.0), (1.7, 2.3), 238.5, 120.0, 211, 107),
        ((0.75, 1.0), (1.6, 2.4), 233.5, 117.9, 198, 101),
    ],
)
def test_boxes_have_the_sizes_of_the_original(scale, ratio, mean_width, mean_height, least_width, least_height):
    draws = draw(100_000, scale, ratio)
    width, height = draws.width.double(), draws.height.double()
    assert abs(width.mean() - mean_width) < 0.15
    assert abs(height.mean() - mean_height) < 0.15
    assert width.min() >= least_width
    assert height.min() >= least_height
    assert width.max() <= 256
    assert height.max() <= 128
    assert ((width == 256) & (height == 128)).float().mean() < 0.005
    area = width * height / (128 * 256)
    assert area.min() > scale[0] - 0.01
    assert (width / height).min() > ratio[0] - 0.02
    assert (width / height).max() < ratio[1] + 0.02


def test_positions_are_uniform_within_the_view():
    draws = draw(100_000)
    assert (draws.left + draws.width).max() == 256
    assert (draws.top + draws.height).max() == 128
    assert draws.left.min() == 0
    assert draws.top.min() == 0
    free = draws.width < 256
    place = draws.left[free].double() / (256 - draws.width[free])
    assert abs(place.mean() - 0.5) < 0.01


def test_share_of_resized_rows():
    rows = draw(20_000, prob=0.33).rows
    assert abs(len(rows) / 20_000 - 0.33) < 0.015
    assert len(rows.unique()) == len(rows)


def test_whole_view_where_no_try_fits():
    draws = draw(1000, scale=(1.0, 1.0), ratio=(9.0, 10.0))
    assert (draws.width == 256).all()
    assert (draws.height == 128).all()
    assert (draws.left == 0).all()
    assert (draws.top == 0).all()
