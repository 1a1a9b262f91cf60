"""An address that names no broker is refused at once: retrying would never mend it."""

from __future__ import annotations

import pytest

from watership.adapters.rabbitmq.address import check_address
from watership.errors import BadInput


@pytest.mark.parametrize(
    "url", ["amqp://localhost", "amqps://u:p@broker.example:5671/v%2Fh", "amqp://[::1]:5672/"]
)
def test_addresses_of_brokers_are_taken(url: str) -> None:
    check_address(url)


@pytest.mark.parametrize(
    "url", ["http://x", "amqp://host:abc/", "amqp:///vhost", "broker", "amqp://host:99999"]
)
def test_what_names_no_broker_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_address(url)
    assert "amqp://" in refused.value.fix
