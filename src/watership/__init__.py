"""Watership: durable AI agents on RabbitMQ, and releases that never take them down."""

__version__ = "0.1.0"
