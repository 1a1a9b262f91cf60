"""What holds of every section of the checklist, in a world that is grown for it."""

from __future__ import annotations

from importlib import resources
from typing import ClassVar

from tests.checklist.world import World, batches, planted
from watership.releases.book.system import read
from watership.releases.readiness.checklist import Point


class SectionSuite:
    """A section says its points, and by day how many faults are planted at once; at night it is one by one."""

    points: ClassVar[list[tuple[str, Point]]]
    batch: ClassVar[int]

    def refresh(self, world: World) -> None:
        """Make anew what grows old while faults are tried."""

    def test_every_point_passes_where_all_is_well(self, world: World) -> None:
        assert world.red(self.points) == {}

    def test_every_point_has_a_fault_and_every_fault_a_point(self, world: World) -> None:
        assert self.points
        assert sorted(world.faults) == sorted(name for name, _ in self.points)

    def test_faults_turn_exactly_their_points_red(self, world: World, nightly: bool) -> None:
        for batch in batches(world.faults, size=1 if nightly else self.batch):
            self.refresh(world)
            with planted(world, batch):
                red = world.red(self.points)
            wrong = {name: red.get(name, "not red") for name in red.keys() ^ set(batch)}
            assert wrong == {}
        assert world.red(self.points) == {}

    def test_every_system_that_is_looked_at_has_an_example(self, world: World) -> None:
        example = resources.files("watership") / "runbooks/agent-orchestrator/systems.example.yaml"
        with resources.as_file(example) as path:
            # The sides of a release are known to its environment, and stand there as comments.
            assert world.systems.keys() - read(path).keys() <= {"live", "next"}
