"""Calls between processes of one machine: lines of JSON over a Unix socket that only its owner may open."""
