"""The reference says what the code does: names, defaults, codes and tables are compared."""

import re
from pathlib import Path

import msgspec
import pytest

from tests.docs import generated
from tests.docs.page import DOCS, ROOT, name_of, pages
from tidegate.channels.backend import ChannelSettings
from tidegate.connections.library import library
from tidegate.jobs.backend import QueueSettings
from tidegate.jobs.job import JobPolicy
from tidegate.settings import Settings
from tidegate.spec import (
    AppSpec,
    ContainerSpec,
    DaemonSpec,
    JobSpec,
    QueueDepth,
    QueueSpec,
    RetrySpec,
    ScheduleSpec,
    ServiceSpec,
    Size,
    WorkerSpec,
)

REFERENCE = DOCS / "reference"
SPECS = (
    *(AppSpec, QueueSpec, QueueSettings, JobSpec, JobPolicy, RetrySpec, WorkerSpec, Size),
    *(QueueDepth, ServiceSpec, DaemonSpec, ContainerSpec, ScheduleSpec, ChannelSettings),
)
_VARIABLE = re.compile(r"\bTIDEGATE_[A-Z_]+\b")
_LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
_ROW = re.compile(r"^\| `(\w+)` \| (.*?) \|", re.MULTILINE)
_KEY = re.compile(r"prefix \.\. '([a-z-]+)")


def text(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_what_a_page_has_from_the_code_is_what_the_code_says(page: Path) -> None:
    for name, said in generated.marked(page.read_text(encoding="utf-8")):
        assert said == generated.PARTS[name](), "run `python -m tests.docs.generated`"


def test_every_part_of_the_code_is_on_some_page() -> None:
    marked = {name for page in pages() for name, _ in generated.marked(page.read_text())}
    assert marked == set(generated.PARTS)


def test_every_variable_the_code_reads_is_described_and_no_other() -> None:
    source = ROOT / "src/tidegate"
    read = {
        name
        for file in source.rglob("*.py")
        for name in _VARIABLE.findall(file.read_text(encoding="utf-8"))
    }
    assert set(_VARIABLE.findall(text("settings.md"))) == read


def test_every_setting_has_its_default_in_the_table() -> None:
    rows = dict(re.findall(r"^\| `(TIDEGATE_\w+)` \| (\S*?) \|", text("settings.md"), re.MULTILINE))
    defaults = Settings()
    assert rows["TIDEGATE_DATA"] == f"`{defaults.data}`"
    assert rows["TIDEGATE_SPREAD"] == f"`{defaults.spread:g}`"
    assert rows["TIDEGATE_RELEASE"] == f"`{defaults.release}`"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_field_of_the_spec_is_described_with_its_default(spec: type[msgspec.Struct]) -> None:
    _, _, section = text("spec.md").partition(f"\n## {spec.__name__}\n")
    rows = dict(_ROW.findall(section.partition("\n## ")[0]))
    assert list(rows) == list(spec.__struct_fields__)
    for field in msgspec.structs.fields(spec):
        if isinstance(field.default, bool | int | float | str):
            assert rows[field.name] == f"`{_shown(field.default)}`", field.name


def test_every_kind_of_key_is_described() -> None:
    lua = set(_KEY.findall(library().source))
    assert lua <= set(re.findall(r"`([a-z-]+)(?=[`:])", text("keyspace.md")))


@pytest.mark.parametrize("page", [page for page in pages() if DOCS in page.parents], ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "page", [page for page in pages() if page.parent.parent == DOCS], ids=name_of
)
def test_every_page_is_in_the_index(page: Path) -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    assert str(page.relative_to(DOCS)) in index


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
