import sys

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)

from app.bootstrap.features import enabled_features
from app.bootstrap.lifespan import open_features
from app.core.extensions import Extensions
from app.core.feature import State, extensions_of
from app.core.measures import Instrument, Measured
from app.infrastructure.metrics.feature import feature
from app.infrastructure.metrics.meter import Meter
from app.infrastructure.metrics.settings import MetricsSettings
from tests.fixtures.prometheus import Promtool
from tests.support import FixedSettings

from .kettle import BOILED, cooking, names

pytestmark = pytest.mark.anyio

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


class Tracer:
    """As the feature that traces requests lists one."""

    def __init__(self, trace_id: str | None) -> None:
        self._trace_id = trace_id

    def trace_id(self) -> str | None:
        return self._trace_id


class TestInstruments:
    async def test_are_counted_where_it_happens(self) -> None:
        async with cooking() as kitchen:
            await kitchen.client.get("kettles/one/boil")
            BOILED.add("blue", by=2)

            assert await kitchen.numbers("kettles_boiled_total") == {("red",): 1, ("blue",): 2}
            assert await kitchen.numbers("kettle_duration_seconds_sum") == {(): 1.5}
            buckets = await kitchen.numbers("kettle_duration_seconds_bucket")
            assert buckets == {("1.0",): 0, ("2.0",): 1, ("+Inf",): 1}

    async def test_are_collected_no_more_when_it_is_closed(self) -> None:
        async with cooking():
            BOILED.add("red")
        BOILED.add("red")
        async with cooking() as kitchen:
            BOILED.add("red")

            assert await kitchen.numbers("kettles_boiled_total") == {("red",): 1}

    def test_are_all_listed_by_their_features(self) -> None:
        """One that is not would count for nobody."""
        extensions = extensions_of(enabled_features(FixedSettings(environment="test")))
        listed = set(extensions.of(Instrument))
        unlisted = [it for it in every_instrument() if it not in listed]

        assert [it.name for it in unlisted] == []

    def test_and_readings_have_names_of_their_own(self) -> None:
        extensions = extensions_of(enabled_features(FixedSettings(environment="test")))
        found = [it.name for it in extensions.of(Instrument)]

        assert sorted(found) == sorted(set(found))


def every_instrument() -> set[Instrument]:
    modules = [module for name, module in sys.modules.items() if name.startswith("app.")]
    found = (it for module in modules for it in vars(module).values())
    return {it for it in found if isinstance(it, Instrument)}


class TestReadings:
    async def test_are_as_of_now(self) -> None:
        async with cooking() as kitchen:
            first = await kitchen.numbers("kettle_litres")
            kitchen.water.litres = 0.5

            assert (first, await kitchen.numbers("kettle_litres")) == ({(): 1.5}, {(): 0.5})

    async def test_of_totals_only_grow(self) -> None:
        async with cooking() as kitchen:
            seen = []
            # The last two: what counts was opened anew, at nothing.
            for poured in (2, 5, 5, 1, 2):
                kitchen.water.poured = poured
                seen.append((await kitchen.numbers("kettle_cups_total"))["big",])

        assert seen == [2, 5, 5, 6, 7]


class TestFormat:
    async def test_is_text_by_default(self) -> None:
        async with cooking() as kitchen:
            response = await kitchen.client.get(
                "http://test/metrics", headers={"Authorization": "Bearer a-token-of-some-length"}
            )

        assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"

    async def test_is_openmetrics_for_who_asks(self) -> None:
        async with cooking() as kitchen:
            await kitchen.client.get("kettles/one/boil")
            text = await kitchen.text(OPENMETRICS)

        assert text.endswith("# EOF\n")
        assert {it.name for it in openmetrics_families(text)} >= {"kettles_boiled", "kettle_litres"}

    async def test_has_no_second_series_for_the_time_of_creation(self) -> None:
        async with cooking() as kitchen:
            assert not [it for it in names(await kitchen.text()) if it.endswith("_created")]

    async def test_is_liked_by_prometheus(self, promtool: Promtool) -> None:
        async with cooking() as kitchen:
            await kitchen.client.get("kettles/one/boil")

            checked = promtool("check", "metrics", input=await kitchen.text())

        assert checked == (True, "")

    async def test_of_every_feature_is_liked_by_prometheus(
        self, promtool: Promtool, app_text: str
    ) -> None:
        assert promtool("check", "metrics", input=app_text) == (True, "")

    @pytest.fixture
    def app_text(self, state: State) -> str:
        """The numbers of the service with all its features."""
        meter: Meter = state["meter"]
        return meter.expose("").content.decode()


class TestExemplars:
    async def test_lead_to_the_trace(self) -> None:
        async with cooking(Tracer(TRACE_ID)) as kitchen:
            await kitchen.client.get("kettles/one/boil")
            text = await kitchen.text(OPENMETRICS)

        exemplars = {
            sample.name: sample.exemplar.labels
            for family in openmetrics_families(text)
            for sample in family.samples
            if sample.exemplar
        }
        assert exemplars == {
            "http_server_request_duration_seconds_bucket": {"trace_id": TRACE_ID},
            "kettle_duration_seconds_bucket": {"trace_id": TRACE_ID},
        }

    async def test_are_none_without_one(self) -> None:
        async with cooking(Tracer(None)) as kitchen:
            await kitchen.client.get("kettles/one/boil")

            assert "trace_id" not in await kitchen.text(OPENMETRICS)


class TestFeatures:
    async def test_show_what_they_have_opened(self) -> None:
        """Whatever the project has: each can be asked at any time after the start."""
        settings = FixedSettings(environment="test")
        async with open_features(enabled_features(settings), serves=True) as state:
            extensions: Extensions = state["extensions"]
            readings = [it for each in extensions.of(Measured) for it in each.readings(state)]
            kinds = {(it.name, it.is_total, tuple(sorted(it.labels))) for it in readings}

        # One name has the same labels everywhere.
        assert len(kinds) == len({name for name, *_ in kinds})


class TestCommands:
    async def test_pay_nothing(self) -> None:
        async with open_features([feature(MetricsSettings(), deployed=False)]) as state:
            assert "meter" not in state
