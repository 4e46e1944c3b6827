"""Plugins are found by their metadata, and none is imported to find it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from aicg.plugins import Candidate, discover
from aicg.plugins.discovery import allows

if TYPE_CHECKING:
    from tests.core.plugins.conftest import Site

RAISES = "raise RuntimeError('imported')"


def faults() -> dict[str, str | None]:
    return {candidate.distribution: candidate.fault for candidate in discover()}


def test_nothing_installed_is_nothing_found(site: Site) -> None:
    assert discover() == []


def test_a_plugin_is_found_without_being_imported(site: Site) -> None:
    site.install("aicg-quiet", RAISES, version="1.2.3")

    (found,) = discover()

    assert (found.name, found.distribution, found.version) == ("quiet", "aicg-quiet", "1.2.3")
    assert found.fault is None
    assert "aicg_quiet" not in sys.modules


def test_loading_a_candidate_imports_what_the_entry_point_names(site: Site) -> None:
    site.install("aicg-one", "class Plugin: ...")
    site.install("aicg-two", "", target="")

    one, two = discover()

    assert one.load().__name__ == "Plugin"
    assert two.load().__name__ == "aicg_two"


def test_plugins_come_by_name(site: Site) -> None:
    for name in ("aicg-c", "aicg-a", "aicg-b"):
        site.install(name)

    assert [candidate.name for candidate in discover()] == ["a", "b", "c"]


@pytest.mark.parametrize("newcomer", ["aaa-first", "zzz-last"])
def test_a_name_stays_with_its_namesake(site: Site, newcomer: str) -> None:
    site.install(newcomer, name="cache")
    site.install("aicg-cache")

    found = discover()

    assert [candidate.distribution for candidate in found] == ["aicg-cache", newcomer]
    assert found[0].fault is None
    assert found[1].fault == (
        f"the name 'cache' is claimed by {' and '.join(sorted(['aicg-cache', newcomer]))}; "
        f"uninstall one, or ask its author for another name"
    )


def test_a_name_without_a_namesake_is_nobodys(site: Site) -> None:
    site.install("one-cache", name="cache")
    site.install("two-cache", name="cache")

    assert all("claimed by one-cache and two-cache" in str(fault) for fault in faults().values())


@pytest.mark.parametrize("spelling", ["aicg_cache", "AICG-Cache", "aicg.cache"])
def test_a_namesake_is_one_in_any_spelling(site: Site, spelling: str) -> None:
    site.install(spelling, name="cache")
    site.install("other", name="cache")

    assert faults()["aicg-cache"] is None


@pytest.mark.parametrize(
    "requirement",
    [
        "aicg>=0.2",
        "aicg >= 0.2",
        "aicg (>=0.2)",
        "aicg[testing]>=0.2",
        "AICG>=0.2",
        "aicg<0.1",
        "aicg~=0.2",
        "aicg==1.*",
        "aicg>=0.1,<0.1",
        "aicg>=0.2; python_version >= '3.11'",
    ],
)
def test_a_plugin_for_another_kernel_is_at_fault(site: Site, requirement: str) -> None:
    site.install("aicg-new", requires=("attrs>=24", requirement))

    (fault,) = faults().values()

    assert fault is not None
    assert fault.startswith("it needs aicg")
    assert fault.endswith("and this is aicg 0.1.0")


@pytest.mark.parametrize(
    "requires",
    [
        pytest.param((), id="asks for nothing"),
        pytest.param(("aicg",), id="any kernel"),
        pytest.param(("aicg>=0.1,<0.2",), id="this kernel"),
        pytest.param(("aicg[testing]>=99; extra == 'test'",), id="in an extra"),
        pytest.param(("aicg-openai>=99",), id="another plugin"),
        pytest.param(("aicg_prices>=99", "aicg.sim>=99", "aicgold>=99"), id="other names"),
    ],
)
def test_a_plugin_that_this_kernel_satisfies_is_not(site: Site, requires: tuple[str, ...]) -> None:
    site.install("aicg-fine", requires=requires)

    assert faults() == {"aicg-fine": None}


def test_what_pip_left_behind_takes_nothing_down(site: Site) -> None:
    site.install("aicg-gone")
    next(site.folder.glob("*.dist-info/METADATA")).unlink()
    site.install("aicg-here")

    found = {candidate.name: candidate for candidate in discover()}

    assert isinstance(found["gone"], Candidate)
    assert found["here"].fault is None


RELEASES = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda n: ".".join(map(str, n)))
SPECIFIERS = st.one_of(
    st.builds("{}{}".format, st.sampled_from([">=", "<=", "==", "!=", "<", ">"]), RELEASES),
    st.builds("{}{}.*".format, st.sampled_from(["==", "!="]), RELEASES),
    st.builds("~={}.{}".format, RELEASES, st.integers(0, 3)),
)


@given(st.lists(SPECIFIERS, max_size=3), RELEASES)
def test_ranges_mean_what_pip_takes_them_for(specifiers: list[str], release: str) -> None:
    written = ", ".join(specifiers)

    assert allows(written, release) == SpecifierSet(written).contains(release)
