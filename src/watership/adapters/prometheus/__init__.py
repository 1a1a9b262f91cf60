"""Metrics for Prometheus, made of what the observer is told."""

from __future__ import annotations

from watership.adapters.prometheus.observer import PrometheusObserver

__all__ = ["PrometheusObserver"]
