"""What bench/parts.py computes itself: exponents, forecasts and ratios. Run by bench_py_test."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
import parts  # noqa: E402


class Exponent(unittest.TestCase):
    def test_of_a_power_is_the_power(self):
        xs = [512, 1024, 4096]
        self.assertAlmostEqual(parts.exponent(xs, [7 * x**1.5 for x in xs]), 1.5)
        self.assertAlmostEqual(parts.exponent(xs, [3, 3, 3]), 0)

    def test_is_the_least_squares_slope(self):
        # log2 y = 0, 2, 1 over log2 x = 0, 1, 2: slope 1/2.
        self.assertAlmostEqual(parts.exponent([1, 2, 4], [1, 4, 2]), 0.5)

    def test_is_nothing_without_positive_values(self):
        self.assertIsNone(parts.exponent([1, 2], [0, 5]))


class Forecast(unittest.TestCase):
    base = {"samples": 512, "tokens": 32, "layers": 6, "hidden": 384}

    def choose(self, base_seconds, seconds):
        return parts.choose_sublayers([self.base], self.base, base_seconds, seconds)

    def test_whole_runs_where_they_fit_into_three_quarters(self):
        self.assertIsNone(self.choose(75, 100))
        self.assertEqual(self.choose(76, 100), 6)

    def test_fewer_sublayers_where_they_do_not(self):
        # Of the 12 + 11 + ... + 1 = 78 passes, the first 6 targets take 57, 4 take 42, 2 take 23.
        self.assertEqual(self.choose(75 * 78 / 57 - 1, 100), 6)
        self.assertEqual(self.choose(75 * 78 / 57 + 1, 100), 4)
        self.assertEqual(self.choose(75 * 78 / 42 + 1, 100), 2)
        self.assertEqual(self.choose(1e9, 100), 1)

    def test_twice_the_layers_take_about_four_times(self):
        deeper = {**self.base, "layers": 12}
        ratio = parts._forecast(deeper, None) / parts._forecast(self.base, None)
        self.assertAlmostEqual(ratio, (24 * 25) / (12 * 13))


class Comparison(unittest.TestCase):
    def test_compares_means_over_seeds(self):
        def row(seconds, peak, above, accuracy):
            return {"seconds": seconds, "peak_bytes": peak, "peak_above_load_bytes": above, "accuracy": accuracy}

        compared = parts._compare([row(30, 900, 600, 0.86), row(50, 900, 600, 0.88)],
                                  [row(9, 300, 100, 0.87), row(11, 300, 100, 0.89)], "kprune", "fp32")
        self.assertAlmostEqual(compared["times_faster"], 4)
        self.assertAlmostEqual(compared["times_less_memory"], 3)
        self.assertAlmostEqual(compared["times_less_memory_above_load"], 6)
        self.assertAlmostEqual(compared["accuracy_difference_points"], 1)


if __name__ == "__main__":
    unittest.main()
