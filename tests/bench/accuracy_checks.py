"""What bench/accuracy.py computes and draws itself. Run by accuracy_test."""

import os
import sys
import unittest
import xml.etree.ElementTree

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
import accuracy  # noqa: E402
import accuracy_plot  # noqa: E402


def row(method, keep, seed, value, top1=0.9, kl=0.1):
    return {"method": method, "keep_flops": keep, "seed": seed, "kept_flops": keep,
            "metric": {"name": "accuracy", "original": 0.9, "value": value, "n": 100},
            "agreement": {"n": 10, "top1": top1, "kl": kl}}


class Summary(unittest.TestCase):
    rows = [row("refit", 0.5, 0, 0.88), row("refit", 0.5, 1, 0.86), row("kprune", 0.1, 0, 0.5)]

    def test_means_and_spreads_over_the_seeds(self):
        half, tenth = accuracy.summarise(self.rows)
        self.assertEqual(half["seeds"], 2)
        self.assertAlmostEqual(half["accuracy"], 87)
        self.assertAlmostEqual(half["spread"], 2**0.5)
        self.assertAlmostEqual(half["drop"], 3)
        self.assertEqual(tenth["spread"], 0)
        self.assertAlmostEqual(tenth["drop"], 40)

    def test_table_has_the_largest_budget_first(self):
        lines = accuracy.markdown(accuracy.summarise(self.rows)).splitlines()
        self.assertEqual(len(lines), 4)
        self.assertTrue(lines[2].startswith("| 50 % | refit | 87.00 ± 1.41 | 3.00 | 90.00 % | 0.1000 |"), lines[2])
        self.assertTrue(lines[3].startswith("| 10 % | kprune | 50.00"))

    def test_plot_is_xml_with_a_line_a_method_and_a_point_a_budget(self):
        summary = accuracy.summarise(self.rows + [row("refit", 0.1, 0, 0.8)])
        root = xml.etree.ElementTree.fromstring(accuracy_plot.plot(summary, 90, list(accuracy.METHODS)))
        space = "{http://www.w3.org/2000/svg}"
        self.assertEqual(len(root.findall(space + "polyline")), 2)
        self.assertEqual(len(root.findall(space + "circle")), 3)
        for circle in root.findall(space + "circle"):
            self.assertTrue(0 < float(circle.get("cx")) < 640 and 0 < float(circle.get("cy")) < 400)


if __name__ == "__main__":
    unittest.main()
