from typing import Annotated, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, ConfigDict, Field, SecretStr

from app.core.settings import Environment, SettingsGroup

_RATIO = {"always_on": 1.0, "always_off": 0.0}
_PARENT_BASED = "parentbased_"


def _is_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must begin with http:// or https:// and name a host")
    return value


def _pairs(text: str) -> dict[str, str]:
    """Of `name=value,name=value`, whose values are percent-encoded where they must be."""
    found = {}
    for item in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise ValueError("must look like name=value,name=value")
        found[name.strip()] = unquote(value.strip())
    return found


def _has_pairs(value: str) -> str:
    _pairs(value)
    return value


def _has_secret_pairs(value: SecretStr) -> SecretStr:
    _pairs(value.get_secret_value())
    return value


Address = Annotated[str, AfterValidator(_is_address)]


class OtelSettings(SettingsGroup):
    """Read from `OTEL_*`, by the names that OpenTelemetry gives them.

    Its own library reads the others of its variables, from the environment alone.
    """

    # Platforms set some for all of their services.
    model_config = ConfigDict(extra="ignore")

    exporter_otlp_endpoint: Address | None = None
    """The collector, `http://collector:4318` for one; unset: nothing is traced."""
    exporter_otlp_traces_endpoint: Address | None = None
    """The same for traces alone, with its whole path."""
    exporter_otlp_headers: Annotated[SecretStr, AfterValidator(_has_secret_pairs)] | None = None
    """What the collector knows us by: `authorization=Bearer%20...`."""
    exporter_otlp_protocol: Literal["http/protobuf"] = "http/protobuf"
    traces_exporter: Literal["otlp", "none"] = "otlp"
    sdk_disabled: bool = False
    service_name: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Unset: that of the project."""
    resource_attributes: Annotated[str, AfterValidator(_has_pairs)] = ""
    """Further ones of all spans: `k8s.pod.name=api-1,cloud.region=eu-west-1`."""
    traces_sampler: Literal[
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
    ] = "traceidratio"
    """With `parentbased_` the callers decide whether a request that they trace is recorded: for a
    service that strangers do not reach, or whose gateway decides for them."""
    traces_sampler_arg: Annotated[float, Field(ge=0, le=1)] | None = None
    """The share of requests that is recorded; unset: 0.1 where deployed, else 1."""

    @classmethod
    def is_of_others(cls, variable: str) -> bool:
        # Plain names, without the library that reads them.
        from opentelemetry import environment_variables as api  # noqa: PLC0415 (see above)
        from opentelemetry.sdk import environment_variables as sdk  # noqa: PLC0415

        return hasattr(api, variable) or hasattr(sdk, variable)

    @property
    def address(self) -> str | None:
        """Where traces are sent; `None`: nothing is traced."""
        if self.sdk_disabled or self.traces_exporter == "none":
            return None
        if self.exporter_otlp_traces_endpoint or self.exporter_otlp_endpoint is None:
            return self.exporter_otlp_traces_endpoint
        return f"{self.exporter_otlp_endpoint.removesuffix('/')}/v1/traces"

    @property
    def headers(self) -> dict[str, str]:
        given = self.exporter_otlp_headers
        return {} if given is None else _pairs(given.get_secret_value())

    @property
    def attributes(self) -> dict[str, str]:
        named = {} if self.service_name is None else {"service.name": self.service_name}
        return _pairs(self.resource_attributes) | named

    @property
    def follows_callers(self) -> bool:
        return self.traces_sampler.startswith(_PARENT_BASED)

    def ratio(self, environment: Environment) -> float:
        """Of the requests whose caller does not decide."""
        if (fixed := _RATIO.get(self.traces_sampler.removeprefix(_PARENT_BASED))) is not None:
            return fixed
        if self.traces_sampler_arg is not None:
            return self.traces_sampler_arg
        return 0.1 if environment.is_deployed else 1
