"""Finding the application: `app.py:app` or `package.module:app`, loaded as its author wrote it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from watership.adapters.files.builds import APP
from watership.agents.app import App
from watership.errors import BadInput, NotFound

__all__ = ["APP", "load_app"]


def load_app(where: str, folder: Path | None = None) -> App:
    """The App at `where` (FILE.py:NAME or MODULE:NAME), in `folder` or in the working folder.

    Raises NotFound or BadInput with the mend.
    """
    place, _, name = where.partition(":")
    folder = folder or Path.cwd()
    module = _load_file(folder / place) if place.endswith(".py") else _import(place, folder)
    app = getattr(module, name or "app", None)
    if isinstance(app, App):
        return app
    found = sorted(key for key, value in vars(module).items() if isinstance(value, App))
    fix = f"Try {place}:{found[0]}." if found else 'Write: app = App("my-agents")'
    raise BadInput(f"{where} is no watership App.", fix=fix)


def _load_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", fix="Name your application: --app FILE.py:NAME")
    running = sys.modules.get("__main__")
    if (
        running is not None
        and getattr(running, "__file__", None)
        and Path(str(running.__file__)).resolve() == path
    ):
        return running
    # Its neighbours are imported as if it had been started itself.
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(f"watership_app_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _import(name: str, folder: Path) -> ModuleType:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # it is there, and lacks something itself
        raise NotFound(
            f"There is no module {name!r}.", fix="Name your application: --app FILE.py:NAME"
        ) from None
