"""An address that names no broker is refused at once: retrying would never mend it."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from tests.notes import Notes
from watership.adapters.rabbitmq.broker import Broker
from watership.adapters.rabbitmq.refusal import checked
from watership.durable.ids import random_ids
from watership.errors import BadInput


@pytest.mark.parametrize(
    "url", ["amqp://localhost", "amqps://u:p@broker.example:5671/v%2Fh", "amqp://[::1]:5672/"]
)
def test_addresses_of_brokers_are_taken(url: str) -> None:
    assert checked(urlsplit(url)).geturl()


@pytest.mark.parametrize(
    "url", ["http://x", "amqp://u:sec/ret@host/", "amqp:///vhost", "broker", "amqp://h:99999"]
)
def test_what_names_no_broker_is_refused_before_anybody_tries_and_shows_no_password(url: str) -> None:
    with pytest.raises(BadInput) as refused:
        Broker(url, name="test", observer=Notes(), new_id=random_ids())
    assert "amqp://" in refused.value.fix
    assert "sec" not in str(refused.value).replace("second", "")
