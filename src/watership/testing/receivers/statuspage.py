"""A stand-in for Atlassian Statuspage: incidents and scheduled maintenances of one page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from watership.testing.receivers.receiver import Answer, Receiver, Request, path_of

PAGE: Final = "kctbh9vrtdwd"
KEY: Final = "89a229ce-1a8d-4d4f-8b8f-stand-in"
REALTIME: Final = ("investigating", "identified", "monitoring", "resolved")
SCHEDULED: Final = ("scheduled", "in_progress", "verifying", "completed")
ENDED: Final = ("resolved", "completed")


class StatuspageReceiver(Receiver):
    """`incidents` is what the page shows, the newest first, each with its `incident_updates`."""

    name: ClassVar[str] = "statuspage"

    def __init__(self, page: str = PAGE, key: str = KEY) -> None:
        super().__init__()
        self.page = page
        self.key = key
        self.incidents: list[dict[str, Any]] = []

    def answer(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"OAuth {self.key}":
            return Answer(status=401, body={"error": "Could not authenticate"}, problem="no valid key")
        collection = f"/v1/pages/{self.page}/incidents"
        path = path_of(request).removesuffix(".json")
        match request.method:
            case "GET" if path == collection:
                return Answer(status=200, body=self.incidents, keep=False)
            case "GET" if path == f"{collection}/unresolved":
                return Answer(
                    status=200, body=[each for each in self.incidents if not _ended(each)], keep=False
                )
            case "POST" if path == collection:
                return self._create(request)
            case "PATCH" | "PUT" if path.startswith(f"{collection}/"):
                return self._update(request, path.rpartition("/")[2])
        return Answer(status=404, body={"error": "Not Found"}, problem=f"nothing at {path}")

    def _create(self, request: Request) -> Answer:
        given = request.body.get("incident")
        if not isinstance(given, dict) or not given.get("name"):
            return _refused("Name can't be blank")
        status = given.get("status", "investigating")
        if problem := _status_problem(status, given):
            return _refused(problem)
        shown = {
            "id": f"incident{len(self.incidents) + 1}",
            "name": given["name"],
            "status": status,
            "metadata": given.get("metadata", {}),
            "scheduled_for": given.get("scheduled_for"),
            "scheduled_until": given.get("scheduled_until"),
            "incident_updates": [_update(status, given)],
        }
        self.incidents.insert(0, shown)
        return Answer(status=201, body=shown)

    def _update(self, request: Request, wanted: str) -> Answer:
        shown = next((each for each in self.incidents if each["id"] == wanted), None)
        if shown is None:
            return Answer(status=404, body={"error": "Not Found"}, problem=f"no incident {wanted}")
        given = request.body.get("incident")
        if not isinstance(given, dict):
            return _refused("incident is missing")
        status = given.get("status", shown["status"])
        if status not in (SCHEDULED if shown["scheduled_for"] else REALTIME):
            return _refused("Status is not included in the list")
        shown["status"] = status
        shown["name"] = given.get("name", shown["name"])
        shown["incident_updates"].insert(0, _update(status, given))
        return Answer(status=200, body=shown)


def _update(status: object, given: dict[str, Any]) -> dict[str, object]:
    return {"status": status, "body": given.get("body", ""), "created_at": datetime.now(UTC).isoformat()}


def _status_problem(status: object, given: dict[str, Any]) -> str:
    if status in SCHEDULED:
        try:
            begins, ends = (
                datetime.fromisoformat(str(given.get(f"scheduled_{name}"))) for name in ("for", "until")
            )
        except ValueError:
            return "Scheduled for and scheduled until must be times"
        return "" if begins < ends else "Scheduled until must be after scheduled for"
    return "" if status in REALTIME else "Status is not included in the list"


def _refused(problem: str) -> Answer:
    return Answer(status=422, body={"error": [problem]}, problem=problem)


def _ended(incident: dict[str, Any]) -> bool:
    return incident["status"] in ENDED
