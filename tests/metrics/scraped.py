"""Figures as Prometheus would read them: the text of `/metrics`, parsed by its own library."""

import urllib.request
from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families


class Sample(NamedTuple):
    """One line."""

    name: str
    labels: Mapping[str, str]
    value: float


def parsed(text: str) -> list[Sample]:
    """Every sample of an exposition."""
    return [
        Sample(sample.name, sample.labels, sample.value)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    ]


def scraped(url: str) -> list[Sample]:
    """What is read at this URL."""
    with urllib.request.urlopen(url, timeout=20) as answer:
        return parsed(answer.read().decode())


def value_of(samples: list[Sample], name: str, **labels: str) -> float:
    """The sum of the samples of this name that have these labels."""
    return sum(
        sample.value
        for sample in samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
