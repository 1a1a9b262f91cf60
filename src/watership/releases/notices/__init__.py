"""Notices: what people are told of a release, when, in which words, and what became of it.

`schedule` decides what is due, `template` finds the words, `outbox` keeps them until they are delivered, `deliverer`
hands them to channels, and `messenger` runs all of it beside a release. `by_hand` is what a person has told.
"""
