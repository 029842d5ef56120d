"""What the README shows of hybrids runs, and learns what is there to be told."""

from __future__ import annotations

from pathlib import Path

import torch


def test_the_examples_of_the_readme_learn():
    text = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    section = text.partition("### Hybrids: encoders that speak")[2]
    code = section.split("```python\n")[2]
    names: dict = {}
    exec(code.partition("```")[0], names)
    told = names["field"](names["pixels"])[0].argmax(-1)
    assert (told == names["labels"].flatten(1)).float().mean() > 0.8
    posterior = names["net"].mean_probabilities({"blood": names["blood"]})
    torch.testing.assert_close(posterior.sum(1), torch.ones(200, dtype=torch.float64))
    assert posterior.std(0)[0] > 0.1
