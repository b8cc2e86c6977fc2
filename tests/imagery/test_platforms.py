"""Notes on pictures of unlike satellites."""

import numpy as np
import pytest

from howgreen.imagery import mixed_platforms


@pytest.mark.parametrize(
    ("platforms", "told"),
    [
        (["landsat-5", "landsat-7", "landsat-5"], None),
        (["landsat-8", "landsat-9"], None),
        (["landsat-8", ""], None),
        (["landsat-8", "landsat-7", "landsat-7"], "Landsat 7, Landsat 8"),
    ],
)
def test_only_unlike_bands_are_told(make_scene, platforms, told):
    from dataclasses import replace

    scenes = [
        replace(make_scene({"red": np.ones((4, 4), np.uint16)}, sensor="landsat"), platform=name) for name in platforms
    ]
    notes = mixed_platforms(scenes)
    assert bool(notes) == bool(told)
    assert all(told in note for note in notes)


def test_other_sensors_are_not_meant(make_scene):
    assert mixed_platforms([make_scene({"red": np.ones((4, 4), np.uint16)})]) == ()
