"""The judge itself: known-bad pairs must be seen."""

import numpy as np
import pytest
from judge import reference, ulps


def test_distances_are_seen():
    one = np.float32(1)
    assert ulps(np.array([one]), np.array([1.0])) == 0
    assert ulps(np.array([np.nextafter(one, np.float32(2))]), np.array([1.0])) == 1
    assert ulps(np.array([1e-10], np.float32), np.array([0.0])) > 1e20
    assert ulps(np.array([1.001], np.float16), np.array([1.0])) == 1
    with pytest.raises(AssertionError):
        ulps(np.array([np.nan]), np.array([1.0]))


def test_the_formula_by_hand():
    x = np.array([[1.0, 2.0, 4.0]])
    found = reference(x, 2, 1.0, 1.0, 0.0)
    assert np.allclose(found, [[2.0, 2 * 2 / 5, 4 * 2 / 20]])
    found = reference(x, 2, 1.0, 1.0, 0.0, convention="onnx")
    assert np.allclose(found, [[0.4, 0.2, 0.5]])


def test_a_mirrored_window_a_wrong_divisor_and_the_identity_are_seen():
    x = np.random.default_rng(1).standard_normal((2, 7, 3))
    right = reference(x, 4, 2.0, 0.75, 0.5)
    assert ulps(reference(x, 4, 2.0, 0.75, 0.5, convention="onnx"), right) > 1e6
    assert ulps(reference(x, 4, 2.5, 0.75, 0.5), right) > 1e6
    assert ulps(x, right) > 1e6
